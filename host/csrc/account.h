/* Exact counts of what the rules did. Only one thread adds; others may read single numbers at any time. */
#ifndef SM_ACCOUNT_H
#define SM_ACCOUNT_H

#include "actions.h"

typedef struct {
    uint64_t events, bytes, malformed, truncated, punted;
    uint64_t dropped, passed;       /* passed: neither dropped nor forwarded */
    uint64_t forwarded[SM_PORTS];
    uint64_t *rules;                /* per rule: events that it fired on */
    uint64_t *counters;             /* per counter: events that any of its rules fired on */
    uint64_t *matched, *delivered;  /* per channel */
    uint64_t *waiting;              /* per channel: matched, and in the backlog */
    uint64_t *undelivered;          /* per channel, SM_CAUSES each */
    uint64_t channels;
} sm_accounts;

/* An addition that a reader in another thread sees whole. */
static inline void sm_add(uint64_t *to, uint64_t n)
{
    __atomic_store_n(to, *to + n, __ATOMIC_RELAXED);
}

/* Bits set, without an instruction that not every processor has. */
static inline uint32_t sm_bits(uint64_t x)
{
    x -= x >> 1 & UINT64_C(0x5555555555555555);
    x = (x & UINT64_C(0x3333333333333333)) + (x >> 2 & UINT64_C(0x3333333333333333));
    x = (x + (x >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return (uint32_t)(x * UINT64_C(0x0101010101010101) >> 56);
}

/* Adds one chunk of n events: everything but what becomes of its matches. */
void sm_account(sm_accounts *accounts, const sm_event *events, uint32_t n, const sm_chunk *chunk, const sm_fired *fired,
                const sm_resolved *resolved);

/* Records that wait in a backlog for these accounts. Once nobody adds matches to them any more and this is 0, they are
 * final and nobody looks at their memory. */
uint64_t sm_accounts_waiting(const sm_accounts *accounts);

#endif
