/* A channel's way out: its ring, and while a default lane of policy `block` is the ring's only one, a bounded backlog of
 * records that wait for room in it. A reader that stops holds up nobody else: the backlog takes what comes until it is
 * full, then the channel is waited for, after the others, and when its reader has made no room for the timeout its
 * matches are counted as such. Of several lanes each gets what it has room for, and only then one is waited for.
 * No allocation, no lock; system calls only where a full backlog is waited for. */
#ifndef SM_OUTLET_H
#define SM_OUTLET_H

#include "account.h"
#include "ring.h"

static_assert(SM_CAUSE_NO_RING == SM_RING_CAUSES, "the causes of the ring come first");
static_assert(SM_CHUNK <= SM_RING_SLOTS_MIN, "a chunk's matches fit every ring");

/* Whose match a record in the backlog is: rules may have been exchanged since. */
typedef struct {
    sm_accounts *accounts;
    uint32_t channel, reserved;
} sm_owner;

typedef struct {
    sm_ring *ring;
    uint8_t *backlog;     /* slots of the ring's size */
    sm_owner *owners;     /* one for each slot */
    uint64_t slots;       /* of the backlog: power of two, or 0 for none */
    uint64_t put, taken;  /* records since the beginning */
    /* A chunk's matches, while lanes of a ring with several of them are waited for; `lanes` is 0 otherwise. */
    uint32_t lanes, waiting;
    uint64_t left[SM_RING_LANES]; /* matches that the lane has not got */
    uint32_t why[SM_RING_LANES];  /* and will not get */
} sm_outlet;

/* Matches of one chunk: bit i of `words` is event i of `events`. `first` is null where `rule` fired on all of them. */
typedef struct {
    const uint8_t *buffer;
    const sm_event *events;
    uint64_t words, malformed, truncated;
    uint64_t n; /* bits in words */
    const uint32_t *first;
    uint32_t rule, generation;
    uint8_t engine, source;
} sm_matches;

/* Delivers or counts the matches of a channel. outlet: null where it has no ring. cause: SM_CAUSE_NONE, or why what
 * finds no room is not waited for any more. Returns 0 if they have to wait: call again, with the same ones. */
int sm_outlet_send(sm_outlet *outlet, sm_accounts *accounts, uint32_t channel, const sm_matches *matches, uint32_t cause);

/* Moves what waits into the ring, as far as there is room. */
void sm_outlet_drain(sm_outlet *outlet);

/* Waits for room, at most slice_us. Returns 0 if it did not come and the wait goes on (again); otherwise *cause is
 * SM_CAUSE_NONE if there is room, or why there will be none. *signal: a signal handler ran. */
int sm_outlet_wait(sm_outlet *outlet, uint64_t slice_us, uint32_t *cause, int *signal);

/* Empties the backlog: into the ring, or when waiting ends as above, or `cause` is given, into the counts.
 * Returns 1 when it is empty, 0 after slice_us or a signal: the caller looks around, and calls again. */
int sm_outlet_flush(sm_outlet *outlet, uint32_t cause, uint64_t slice_us);

#endif
