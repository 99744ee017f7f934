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

/* How many of the wanted slots the ring has, and why not all; the shortfall is counted in the ring too.
 * False: the ring's policy is to wait for more, and it has to be asked again. */
static int grant(sm_ring *ring, uint32_t wanted, int stopping, uint64_t timeout_us, uint32_t *granted, uint32_t *cause)
{
    *granted = wanted;
    if (ring->slots - (ring->mine - ring->theirs) >= wanted && !ring->fault)
        return 1;
    if (ring->fault && ring->fault != SM_RING_CORRUPT) {
        *granted = 0;
        *cause = SM_CAUSE_NO_RING; /* it was closed in this process */
        return 1;
    }
    if (ring->policy != SM_RING_BLOCK) {
        *granted = sm_ring_reserve(ring, wanted);
        *cause = ring->fault ? SM_CAUSE_CORRUPT : SM_CAUSE_FULL;
        return 1;
    }
    const int wait = sm_ring_wait_room(ring, wanted, stopping ? 0 : timeout_us);
    if (wait == SM_WAIT_READY)
        return 1;
    if (!stopping && (wait == SM_WAIT_TIME || wait == SM_WAIT_SIGNAL))
        return 0;
    *cause = wait == SM_WAIT_FAULT  ? SM_CAUSE_CORRUPT
             : wait == SM_WAIT_GONE ? SM_CAUSE_READER_GONE
                                    : SM_CAUSE_STOPPED;
    const uint64_t room = ring->slots - (ring->mine - ring->theirs);
    *granted = room < wanted ? (uint32_t)room : wanted;
    sm_ring_count(ring, *cause, wanted - *granted);
    return 1;
}

/* The first `granted` events of `words` in the block at `start` into the ring, in order. */
static void put(sm_ring *ring, uint32_t granted, const sm_batch *batch, uint64_t start, uint64_t n,
                const uint64_t *words, const uint32_t *first, const uint64_t *malformed, const uint64_t *truncated)
{
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
}

/* Drop, forward and counters of one block of at most 256 events. */
static void count(const sm_actions *actions, const uint64_t *rows, uint64_t stride, uint64_t events,
                  sm_accounts *accounts)
{
    const uint64_t n = (events + 63) / 64;
    uint64_t drop[WORDS], away[WORDS], words[WORDS];

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
}

/* One channel's share of one block. False: its ring has to be waited for, and nothing was done. */
static int channel(const sm_actions *actions, uint32_t item, const sm_batch *batch, uint64_t start, uint64_t stride,
                   sm_ring *ring, const sm_cursor *cursor, uint64_t timeout_us, sm_accounts *accounts)
{
    const uint64_t *rows = batch->rows + start / 64;
    const uint64_t *malformed = rows + actions->n_rules * stride, *truncated = malformed + stride;
    const uint64_t n = stride - start / 64 < WORDS ? stride - start / 64 : WORDS;
    uint64_t words[WORDS];
    uint32_t first[BLOCK];

    if (ring)
        unite_first(&actions->channels, item, rows, stride, n, words, first);
    else
        unite(&actions->channels, item, rows, stride, n, words);
    const uint32_t matched = (uint32_t)count_bits(words, n);
    uint32_t granted = 0, cause = SM_CAUSE_NO_RING;
    if (matched && ring && !grant(ring, matched, cursor->stopping != 0, timeout_us, &granted, &cause))
        return 0;
    if (granted)
        put(ring, granted, batch, start, n, words, first, malformed, truncated);
    accounts->matched[item] += matched;
    accounts->delivered[item] += granted;
    if (granted < matched)
        accounts->undelivered[(uint64_t)item * SM_CAUSES + cause] += matched - granted;
    return 1;
}

int sm_deliver(const sm_actions *actions, const sm_batch *batch, sm_ring *const *rings, sm_accounts *accounts,
               sm_cursor *cursor, uint64_t timeout_us)
{
    const uint64_t stride = (batch->n + 63) / 64;

    if (!cursor->begun) {
        cursor->begun = 1;
        accounts->events += batch->n;
        for (uint64_t i = 0; i < batch->n; i++)
            accounts->bytes += batch->events[i].cap_len;
        for (uint32_t rule = 0; rule < actions->n_rules; rule++)
            accounts->rules[rule] += count_bits(batch->rows + rule * stride, stride);
        accounts->malformed += count_bits(batch->rows + actions->n_rules * stride, stride);
        accounts->truncated += count_bits(batch->rows + (actions->n_rules + UINT64_C(1)) * stride, stride);
    }
    for (; cursor->start < batch->n; cursor->start += BLOCK, cursor->channel = 0, cursor->counted = 0) {
        const uint64_t left = batch->n - cursor->start;
        if (!cursor->counted)
            count(actions, batch->rows + cursor->start / 64, stride, left < BLOCK ? left : BLOCK, accounts);
        cursor->counted = 1;
        for (; cursor->channel < actions->n_channels; cursor->channel++)
            if (!channel(actions, cursor->channel, batch, cursor->start, stride, rings[cursor->channel], cursor,
                         timeout_us, accounts))
                return 0;
    }
    return 1;
}
