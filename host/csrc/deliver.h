/* What happens with an engine's answer: everything is counted, and matches go into the channels' rings.
 * No allocation, no lock, no system call (but for what a ring of policy `block` waits with). */
#ifndef SM_DELIVER_H
#define SM_DELIVER_H

#include "ring.h"

static_assert(SM_CAUSE_NO_RING == SM_RING_CAUSES, "the causes of the ring come first");

/* Rules by what they act on: those of item i are rules[start[i]] to rules[start[i + 1]], ascending. */
typedef struct {
    const uint32_t *start, *rules;
} sm_groups;

typedef struct {
    uint32_t n_rules, n_channels, n_counters, reserved;
    sm_groups channels, counters, ports; /* ports: SM_PORTS groups */
    sm_groups drop;                      /* one group */
} sm_actions;

typedef struct {
    uint64_t events, bytes, malformed, truncated;
    uint64_t dropped, passed;       /* passed: neither dropped nor forwarded */
    uint64_t forwarded[SM_PORTS];
    uint64_t *rules;                /* n_rules: events that fired it */
    uint64_t *counters;             /* n_counters: events that any of its rules fired on */
    uint64_t *matched, *delivered;  /* n_channels */
    uint64_t *undelivered;          /* n_channels * SM_CAUSES */
} sm_accounts;

typedef struct {
    const uint8_t *buffer;
    const sm_event *events;
    uint64_t n;
    const uint64_t *rows; /* n_rules + 2 rows of (n + 63) / 64 words */
    uint32_t generation;
    uint8_t engine, source;
} sm_batch;

/* How far a batch has come; all zero before the first call. */
typedef struct {
    uint64_t start;    /* first event of the block being delivered */
    uint32_t channel;  /* next channel of the block */
    uint8_t begun, counted;
    uint8_t stopping;  /* the caller's: wait for no ring any more, what finds no room is counted as `stopped` */
    uint8_t reserved;
} sm_cursor;

/* Adds the batch to the accounts and delivers it. rings: n_channels entries, null where a channel has none; a ring
 * stands there once. Returns 1 when the batch is dealt with. Returns 0 where a ring of policy `block` had no room for
 * timeout_us, or a signal came: the caller looks around, and calls again with the same arguments.
 * Then, per channel: matched = delivered + the sum of undelivered. */
int sm_deliver(const sm_actions *actions, const sm_batch *batch, sm_ring *const *rings, sm_accounts *accounts,
               sm_cursor *cursor, uint64_t timeout_us);

#endif
