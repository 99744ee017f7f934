/* What happens with an engine's answer: everything is counted, and matches go out through the channels' outlets. */
#ifndef SM_DELIVER_H
#define SM_DELIVER_H

#include "outlet.h"

/* Events, and what an engine said of them. */
typedef struct {
    const uint8_t *buffer;
    const sm_event *events;
    uint64_t n;
    const sm_chunk *chunks; /* (n + 63) / 64 */
    const sm_fired *fired;
    const uint16_t *ports;  /* null, or n masks of dynamic ports */
    uint32_t generation;
    uint8_t engine, source;
} sm_batch;

/* How far a batch has come; all zero before its first call, but for `resolved`, which is zero before the first batch. */
typedef struct {
    uint64_t stuck;                  /* bit c: channel c waits for its ring, from chunk[c] on */
    uint32_t chunk[SM_CHANNELS_MAX];
    uint32_t begun;
    uint32_t stopping;               /* the caller's: wait for no ring, what finds no room is counted as `stopped` */
    sm_resolved resolved;
} sm_cursor;

/* Adds the batch to the accounts and delivers it. outlets: one for each channel, null where it has no ring; a ring
 * stands there once. A channel that has to wait holds up no other one of the batch.
 * Returns 1 when the batch is dealt with. Returns 0 where a ring of policy `block` had no room for slice_us, or a signal
 * came: the caller looks around, and calls again with the same arguments.
 * Then, per channel: matched = delivered + waiting + the sum of undelivered. */
int sm_deliver(const sm_actions *actions, const sm_batch *batch, sm_outlet *const *outlets, sm_accounts *accounts,
               sm_cursor *cursor, uint64_t slice_us);

/* For Python: makes the batch of these, and begins with it as above. */
int sm_deliver_new(const sm_actions *actions, sm_batch *batch, sm_outlet *const *outlets, sm_accounts *accounts,
                   sm_cursor *cursor, const void *buffer, const void *events, uint64_t n, const void *chunks,
                   const void *fired, const void *ports, uint32_t generation, uint8_t engine, uint8_t source,
                   uint64_t slice_us);

#endif
