/* From the rules that fired on a chunk to what happens with its events. The same, in Python: host/engine/actions.py.
 * The cost is that of the rules that fired and their actions, whatever number of rules, channels and counters there is. */
#ifndef SM_ACTIONS_H
#define SM_ACTIONS_H

#include "sm_boundary.h"

/* What each rule does. Lists of rule r: items[start[r]] up to items[start[r + 1]]. */
typedef struct {
    const uint32_t *start, *items;
} sm_lists;

typedef struct {
    uint32_t rules, channels, counters, reserved;
    sm_lists deliver, count;
    const uint16_t *forward; /* per rule: mask of ports */
    const uint8_t *drop;     /* per rule: 1 if it drops */
} sm_actions;

/* One chunk, resolved. All zero before the first use. */
typedef struct {
    uint64_t drop, forwarded;             /* forwarded: to any port; what is dropped is not forwarded */
    uint64_t channels;                    /* bit c: channel c has matches, words[c] */
    uint64_t several;                     /* bit c: of more than one rule, first[c][i] for event i; otherwise rule[c] */
    uint32_t used, n_touched;             /* bit p of used: port p is forwarded to, ports[p] */
    uint64_t ports[SM_PORTS];
    uint64_t words[SM_CHANNELS_MAX];
    uint32_t rule[SM_CHANNELS_MAX];
    uint32_t first[SM_CHANNELS_MAX][SM_CHUNK];
    uint32_t touched[SM_COUNTERS_MAX];    /* n_touched counters, in the order in which rules touched them */
    uint64_t counted[SM_COUNTERS_MAX];    /* 0 for all others */
} sm_resolved;

/* ports: null, or the dynamic ports of the chunk's n events. */
void sm_resolve(const sm_actions *actions, const sm_fired *fired, uint32_t n_fired, const uint16_t *ports, uint32_t n,
                sm_resolved *out);

#endif
