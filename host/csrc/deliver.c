/* Counting and delivery. The counting, in NumPy: host/accounts.py; the tests hold the two equal. */
#include "deliver.h"

#include <string.h>

#define WORDS 4              /* 256 events at a time: the least that any ring holds */
#define BLOCK (WORDS * 64)

/* Bits set, without needing an instruction that not every processor has; the compiler makes it a vector loop. */
static uint64_t count_bits(const uint64_t *words, uint64_t n)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t x = words[i];
        x -= x >> 1 & UINT64_C(0x5555555555555555);
        x = (x & UINT64_C(0x3333333333333333)) + (x >> 2 & UINT64_C(0x3333333333333333));
        x = (x + (x >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
        x += x >> 8;
        x += x >> 16;
        x += x >> 32;
        sum += x & 0x7f;
    }
    return sum;
}

/* words[0..n): events of the block on which any rule of the group fired. */
static void unite(const sm_groups *groups, uint32_t item, const uint64_t *rows, uint64_t stride, uint64_t n,
                  uint64_t *words)
{
    memset(words, 0, WORDS * sizeof *words);
    for (uint32_t i = groups->start[item]; i < groups->start[item + 1]; i++) {
        const uint64_t *row = rows + groups->rules[i] * stride;
        for (uint64_t w = 0; w < n; w++)
            words[w] |= row[w];
    }
}

/* The same, and for each such event the first rule of the group that fired. */
static void unite_first(const sm_groups *groups, uint32_t item, const uint64_t *rows, uint64_t stride, uint64_t n,
                        uint64_t *words, uint32_t *first)
{
    memset(words, 0, WORDS * sizeof *words);
    for (uint32_t i = groups->start[item]; i < groups->start[item + 1]; i++) {
        const uint32_t rule = groups->rules[i];
        const uint64_t *row = rows + rule * stride;
        for (uint64_t w = 0; w < n; w++) {
            for (uint64_t fresh = row[w] & ~words[w]; fresh; fresh &= fresh - 1)
                first[w * 64 + (unsigned)__builtin_ctzll(fresh)] = rule;
            words[w] |= row[w];
        }
    }
}

/* One slot but for its sequence number. The data past cap_len is zeroed: no trace of older records. */
static void fill(sm_record *slot, uint32_t slot_size, const sm_batch *batch, const sm_event *event, uint32_t rule,
                 uint8_t flags)
{
    const uint32_t room = slot_size - SM_RECORD_HEADER;
    const uint32_t held = event->cap_len < room ? event->cap_len : room;
    uint8_t *data = (uint8_t *)slot + SM_RECORD_HEADER;
    slot->ts_ns = event->ts_ns;
    slot->rule = rule;
    slot->generation = batch->generation;
    slot->cap_len = (uint16_t)held;
    slot->wire_len = event->wire_len > UINT16_MAX ? UINT16_MAX : (uint16_t)event->wire_len;
    slot->engine = batch->engine;
    slot->flags = (uint8_t)(flags | (event->cap_len > room ? SM_FLAG_CUT : 0));
    slot->source = batch->source;
    slot->reserved = 0;
    memcpy(data, batch->buffer + event->offset, held);
    memset(data + held, 0, room - held);
}

/* Splits what a ring did not take by its own causes; whether one was that a signal came. The ring's counters lie in shared memory, so they are believed
 * only as far as they add up; the rest is `corrupt`. */
static int count_shortfall(const sm_ring *ring, const uint64_t *before, uint64_t shortfall, uint64_t *undelivered)
{
    int stopped = 0;

    for (unsigned cause = 0; cause < SM_RING_CAUSES; cause++) {
        const uint64_t now = atomic_load_explicit(&ring->shared->undelivered[cause], memory_order_relaxed);
        const uint64_t more = now - before[cause] < shortfall ? now - before[cause] : shortfall;
        undelivered[cause] += more;
        shortfall -= more;
        stopped |= cause == SM_CAUSE_STOPPED && more;
    }
    undelivered[SM_CAUSE_CORRUPT] += shortfall;
    return stopped;
}

/* The events of `words` in block `start` into a ring, in order; returns how many it took. Once a signal has ended a
 * wait, no ring is waited for until the next batch: Python has to get the signal. */
static uint64_t put(sm_ring *ring, const sm_batch *batch, uint64_t start, uint64_t n, const uint64_t *words,
                    const uint32_t *first, const uint64_t *malformed, const uint64_t *truncated, uint64_t *undelivered,
                    int *stopped)
{
    const uint32_t wanted = (uint32_t)count_bits(words, n);
    if (*stopped && ring->policy == SM_RING_BLOCK) {
        sm_ring_count(ring, SM_CAUSE_STOPPED, wanted);
        undelivered[SM_CAUSE_STOPPED] += wanted;
        return 0;
    }
    uint64_t before[SM_RING_CAUSES];
    for (unsigned cause = 0; cause < SM_RING_CAUSES; cause++)
        before[cause] = atomic_load_explicit(&ring->shared->undelivered[cause], memory_order_relaxed);
    const uint32_t granted = sm_ring_reserve(ring, wanted);
    uint32_t done = 0;
    for (uint64_t w = 0; w < n && done < granted; w++) {
        for (uint64_t left = words[w]; left && done < granted; left &= left - 1, done++) {
            const unsigned bit = (unsigned)__builtin_ctzll(left);
            const uint64_t i = w * 64 + bit;
            const uint8_t flags = (uint8_t)((malformed[w] >> bit & 1 ? SM_FLAG_MALFORMED : 0) |
                                            (truncated[w] >> bit & 1 ? SM_FLAG_TRUNCATED : 0));
            sm_record *slot = sm_ring_slot(ring, done);
            fill(slot, ring->slot_size, batch, &batch->events[start + i], first[i], flags);
            slot->seq = sm_ring_seq(ring, done);
        }
    }
    sm_ring_commit(ring, done);
    if (done < wanted)
        *stopped |= count_shortfall(ring, before, wanted - done, undelivered);
    return done;
}

/* One block of at most 256 events: drop, forward, counters, channels. */
static void block(const sm_actions *actions, const sm_batch *batch, uint64_t start, uint64_t stride,
                  sm_ring *const *rings, sm_accounts *accounts, int *stopped)
{
    const uint64_t *rows = batch->rows + start / 64;
    const uint64_t *malformed = rows + actions->n_rules * stride, *truncated = malformed + stride;
    const uint64_t events = batch->n - start < BLOCK ? batch->n - start : BLOCK, n = (events + 63) / 64;
    uint64_t drop[WORDS], away[WORDS], words[WORDS];
    uint32_t first[BLOCK];

    unite(&actions->drop, 0, rows, stride, n, drop);
    memcpy(away, drop, sizeof away);
    accounts->dropped += count_bits(drop, n);
    for (uint32_t port = 0; port < SM_PORTS; port++) {
        if (actions->ports.start[port] == actions->ports.start[port + 1])
            continue;
        unite(&actions->ports, port, rows, stride, n, words);
        for (uint64_t w = 0; w < n; w++) {
            words[w] &= ~drop[w];
            away[w] |= words[w];
        }
        accounts->forwarded[port] += count_bits(words, n);
    }
    accounts->passed += events - count_bits(away, n);
    for (uint32_t counter = 0; counter < actions->n_counters; counter++) {
        unite(&actions->counters, counter, rows, stride, n, words);
        accounts->counters[counter] += count_bits(words, n);
    }
    for (uint32_t channel = 0; channel < actions->n_channels; channel++) {
        uint64_t *undelivered = accounts->undelivered + (uint64_t)channel * SM_CAUSES;
        if (rings[channel]) {
            unite_first(&actions->channels, channel, rows, stride, n, words, first);
        } else {
            unite(&actions->channels, channel, rows, stride, n, words);
        }
        const uint64_t matched = count_bits(words, n);
        if (!matched)
            continue;
        accounts->matched[channel] += matched;
        if (rings[channel])
            accounts->delivered[channel] +=
                put(rings[channel], batch, start, n, words, first, malformed, truncated, undelivered, stopped);
        else
            undelivered[SM_CAUSE_NO_RING] += matched;
    }
}

void sm_deliver(const sm_actions *actions, const sm_batch *batch, sm_ring *const *rings, sm_accounts *accounts)
{
    const uint64_t stride = (batch->n + 63) / 64;
    int stopped = 0;

    accounts->events += batch->n;
    for (uint64_t i = 0; i < batch->n; i++)
        accounts->bytes += batch->events[i].cap_len;
    for (uint32_t rule = 0; rule < actions->n_rules; rule++)
        accounts->rules[rule] += count_bits(batch->rows + rule * stride, stride);
    accounts->malformed += count_bits(batch->rows + actions->n_rules * stride, stride);
    accounts->truncated += count_bits(batch->rows + (actions->n_rules + UINT64_C(1)) * stride, stride);
    for (uint64_t start = 0; start < batch->n; start += BLOCK)
        block(actions, batch, start, stride, rings, accounts, &stopped);
}
