#include "actions.h"

/* Rule `rule` delivers `events` to the channel; the lowest rule stands in an event's record. */
static void reach(sm_resolved *out, uint32_t channel, uint64_t events, uint32_t rule)
{
    const uint64_t bit = UINT64_C(1) << channel, before = out->words[channel];
    uint32_t *const first = out->first[channel];

    if (!(out->channels & bit)) {
        out->channels |= bit;
        out->words[channel] = events;
        out->rule[channel] = rule;
        return;
    }
    if (!(out->several & bit)) {
        out->several |= bit;
        for (uint64_t left = before; left; left &= left - 1)
            first[__builtin_ctzll(left)] = out->rule[channel];
    }
    for (uint64_t left = events; left; left &= left - 1) {
        const unsigned i = (unsigned)__builtin_ctzll(left);
        if (!(before >> i & 1) || rule < first[i])
            first[i] = rule;
    }
    out->words[channel] = before | events;
}

static inline void forward(sm_resolved *out, uint32_t mask, uint64_t events)
{
    for (; mask; mask &= mask - 1) {
        const unsigned port = (unsigned)__builtin_ctz(mask);
        out->ports[port] = out->used >> port & 1 ? out->ports[port] | events : events;
        out->used |= UINT32_C(1) << port;
    }
}

void sm_resolve(const sm_actions *actions, const sm_fired *fired, uint32_t n_fired, const uint16_t *ports, uint32_t n,
                sm_resolved *out)
{
    while (out->n_touched)
        out->counted[out->touched[--out->n_touched]] = 0;
    out->drop = out->forwarded = out->channels = out->several = 0;
    out->used = 0;
    for (uint32_t entry = 0; entry < n_fired; entry++) {
        const uint64_t events = fired[entry].events;
        const uint32_t rule = fired[entry].rule;
        if (actions->drop[rule])
            out->drop |= events;
        forward(out, actions->forward[rule], events);
        for (uint32_t i = actions->count.start[rule]; i < actions->count.start[rule + 1]; i++) {
            const uint32_t counter = actions->count.items[i];
            if (!out->counted[counter])
                out->touched[out->n_touched++] = counter;
            out->counted[counter] |= events;
        }
        for (uint32_t i = actions->deliver.start[rule]; i < actions->deliver.start[rule + 1]; i++)
            reach(out, actions->deliver.items[i], events, rule);
    }
    for (uint32_t i = 0; ports && i < n; i++)
        forward(out, ports[i], UINT64_C(1) << i);
    for (uint32_t left = out->used; left; left &= left - 1) {
        const unsigned port = (unsigned)__builtin_ctz(left);
        out->ports[port] &= ~out->drop;
        out->forwarded |= out->ports[port];
    }
}
