/* Events of another ingress, each when it is due: with the distances that they were captured with, divided by a speed. The
 * events stay where the other ingress has them and keep their times; only when they are handed out is decided here. */
#ifndef SM_INGRESS_REPLAY_H
#define SM_INGRESS_REPLAY_H

#include "ingress_live.h"

#define SM_REPLAY_LONGEST_NS UINT64_C(60000000000) /* of a wait; what is more is left out */
#define SM_REPLAY_SLACK_NS 10000000      /* events that are overdue by less come at once, as in sevenm.host.replay */
#define SM_REPLAY_REORDERED_NS 1000000000 /* an event that is older than the one before by more begins a new time */

typedef struct {
    sm_live live;
    sm_ingress *piece;     /* a piece of the source; null: `wait` of Python gives the next, or says that it has ended */
    const uint64_t *clock; /* nanoseconds; null: the system's monotonic clock */
    double speed;          /* 0: as fast as possible */
    sm_burst held;         /* of `piece` */
    uint64_t at;           /* its events that were handed out */
    double due_ns;         /* of the event at `at`, after the start, if it is placed */
    uint64_t start_ns;     /* moved by what could not be held */
    uint64_t last_ns;      /* time of the latest event that was placed; 0: none had one */
    uint32_t begun, holds, placed, reserved;
    uint64_t shortened;    /* waits */
    uint64_t backwards;    /* events that were older than one before */
    uint64_t behind_ns;    /* by which the pace could not be held */
} sm_replay_ingress;

void sm_replay_ingress_open(sm_replay_ingress *ingress, double speed);

/* The next piece. Its memory stays until it has ended and this asks for another: `piece` is null then. */
void sm_replay_ingress_feed(sm_replay_ingress *ingress, sm_ingress *piece);

#endif
