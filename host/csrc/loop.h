/* The data plane: ingress, match, account, deliver, for as many events as there are. Everything is allocated before it
 * starts; the loop itself allocates nothing and makes no system call (waits for full rings of policy `block` aside).
 *
 * Programs are exchanged while it runs. A controller publishes one with a single store; the loop takes it before the
 * next events, never in the midst of some, and says which one it uses, as a hazard pointer: the controller frees what
 * was published before only when the loop does not use it. A program never changes once it is published. */
#ifndef SM_LOOP_H
#define SM_LOOP_H

#include <stdatomic.h>

#include "deliver.h"
#include "histogram.h"
#include "ingress.h"

#define SM_SPAN 1024       /* most events that are matched, then accounted, then delivered */
#define SM_BEAT_EVENTS (1u << 16) /* most events before the rings hear that the loop goes on */
#define SM_OUTLETS_MAX 256 /* of one loop, over all its programs */

/* Rules of one generation: code, tables, what they do, and where it is counted. */
typedef struct {
    sm_match_function *match;
    const sm_table *tables;
    sm_state *const *states;
    const sm_actions *actions;
    sm_accounts *accounts;
    sm_outlet *const *outlets; /* one for each channel, null where it has no ring */
    sm_chunk *chunks;          /* SM_SPAN / 64 */
    sm_fired *fired;           /* room of them, at least sm_info.fired_max */
    uint16_t *ports;           /* SM_SPAN, or null where the ports do not depend on the event */
    uint64_t room;
    uint32_t generation;
    uint8_t engine;            /* SM_ENGINE_… */
} sm_program;

/* Why sm_loop_run came back. */
enum {
    SM_LOOP_END = 0,     /* the ingress has no more events */
    SM_LOOP_LIMIT = 1,   /* so many events as asked for */
    SM_LOOP_STOPPED = 2, /* as asked for */
    SM_LOOP_WAITS = 3,   /* a `block` ring has no room, or a signal came; call again */
    SM_LOOP_IDLE = 4,    /* the ingress has nothing now */
    SM_LOOP_FAULT = 5,   /* the ingress cannot go on */
    SM_LOOP_EMPTY = 6,   /* no program was published */
    SM_LOOP_ENGINE = 7   /* the engine decided nothing, or more than there was */
};

enum { SM_GO = 0, SM_STOP = 1, SM_STOP_WAITING = 2 };

typedef struct {
    _Atomic(const sm_program *) published;
    _Atomic(const sm_program *) used; /* null: none */
    _Atomic uint32_t stop;            /* SM_GO, SM_STOP: no more events; SM_STOP_WAITING: and wait for no ring */
    _Atomic uint32_t n_outlets;
    _Atomic uint64_t events;          /* decided so far */
    sm_outlet *outlets[SM_OUTLETS_MAX];
    sm_burst burst;
    uint64_t at;                      /* events of the burst that were taken */
    uint32_t has_burst, has_batch;
    const sm_program *program;        /* of the batch */
    sm_batch batch;
    sm_cursor cursor;
    sm_latency *latency;              /* null: not measured */
} sm_loop;

/* A loop is zeroed memory. Outlets are added before a program that uses them is published; 0: there are too many. */
int sm_loop_add_outlet(sm_loop *loop, sm_outlet *outlet);
void sm_loop_publish(sm_loop *loop, const sm_program *program);
int sm_loop_uses(const sm_loop *loop, const sm_program *program); /* 0: not any more, and never again */
void sm_loop_stop(sm_loop *loop, uint32_t how);
uint64_t sm_loop_events(const sm_loop *loop);
void sm_loop_watch(sm_loop *loop, sm_latency *latency); /* not while it runs; null: no more */

/* Runs in the calling thread, one at a time, until there is a reason to come back. What was begun goes on with the next
 * call, which must be with the same ingress unless this was END. slice_us: longest wait for a ring before it comes back. */
int sm_loop_run(sm_loop *loop, sm_ingress *ingress, uint64_t events, uint64_t slice_us);

/* Lets go of a burst that was not used up, whose events are dropped without being counted; the ingress can then be
 * another one. Returns their number. Not while a batch waits. */
uint64_t sm_loop_abandon(sm_loop *loop, sm_ingress *ingress);

/* Empties the backlogs, as sm_outlet_flush does. 1: they are empty. */
int sm_loop_flush(sm_loop *loop, uint64_t slice_us);

#endif
