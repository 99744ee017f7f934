/* Counting and delivery. The counting, in NumPy: host/engine/accounts.py; the tests hold the two equal. */
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

static inline void put64(uint8_t *to, uint64_t value)
{
    memcpy(to, &value, sizeof value);
}

/* The first `held` bytes of `room` from the event, the rest zero: no trace of older records. `room` is a multiple of
 * 32; where the event fills it the copy is a few vector moves, without a call. */
static inline void copy_data(uint8_t *to, const uint8_t *from, uint32_t held, uint32_t room)
{
    if (held == room) {
        for (uint32_t k = 0; k < room; k += 32)
            memcpy(to + k, from + k, 32);
    } else {
        memcpy(to, from, held);
        memset(to + held, 0, room - held);
    }
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

/* Matches of one block: bit i of `words` is event i of `events`. `first` is null where `rule` fired on all of them. */
typedef struct {
    const sm_event *events;
    const uint64_t *words, *malformed, *truncated;
    uint64_t n; /* words */
    const uint32_t *first;
    uint32_t rule;
} matches;

/* The first `granted` matches into the ring, in order. The header goes out as four words, see record.h. `room` is the
 * ring's; it is an argument so that the compiler can make a copy of this for the usual sizes. */
static inline __attribute__((always_inline)) void put_sized(sm_ring *ring, uint32_t granted, const sm_batch *batch,
                                                            const matches *found, uint32_t room)
{
    /* In locals: a store into a slot could be to anything, as far as the compiler knows. */
    const matches m = *found;
    const uint8_t *const buffer = batch->buffer;
    const uint64_t mask = ring->slots - 1, start = ring->mine, end = start + granted;
    const uint64_t generation = (uint64_t)batch->generation << 32;
    const uint64_t origin = (uint64_t)batch->engine << 32 | (uint64_t)batch->source << 48;
    uint8_t *const base = ring->base;
    uint64_t seq = start;

    for (uint64_t w = 0; w < m.n && seq < end; w++) {
        const uint64_t bad = m.malformed[w], cut = m.truncated[w];
        for (uint64_t left = m.words[w]; left && seq < end; left &= left - 1, seq++) {
            const unsigned bit = (unsigned)__builtin_ctzll(left);
            const uint64_t i = w * 64 + bit;
            const sm_event event = m.events[i];
            const uint32_t held = event.cap_len < room ? event.cap_len : room;
            const uint64_t wire = event.wire_len > UINT16_MAX ? UINT16_MAX : event.wire_len;
            const uint64_t flags = (event.cap_len > room) * SM_FLAG_CUT + (bad >> bit & 1) * SM_FLAG_MALFORMED +
                                   (cut >> bit & 1) * SM_FLAG_TRUNCATED;
            uint8_t *const slot = base + (seq & mask) * (room + SM_RECORD_HEADER);
            put64(slot, event.ts_ns);
            put64(slot + 8, seq);
            put64(slot + 16, (m.first ? m.first[i] : m.rule) | generation);
            put64(slot + 24, held | wire << 16 | origin | flags << 40);
            copy_data(slot + SM_RECORD_HEADER, buffer + event.offset, held, room);
        }
    }
    sm_ring_commit(ring, (uint32_t)(seq - start));
}

static void put(sm_ring *ring, uint32_t granted, const sm_batch *batch, const matches *found)
{
    switch (ring->slot_size) {
    case 96: put_sized(ring, granted, batch, found, 64); break;
    case 128: put_sized(ring, granted, batch, found, 96); break;
    case 160: put_sized(ring, granted, batch, found, 128); break;
    default: put_sized(ring, granted, batch, found, ring->slot_size - SM_RECORD_HEADER);
    }
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
    const uint32_t *group = actions->channels.rules + actions->channels.start[item];
    const uint32_t rules = actions->channels.start[item + 1] - actions->channels.start[item];
    uint64_t words[WORDS];
    uint32_t first[BLOCK];

    if (ring && rules > 1)
        unite_first(&actions->channels, item, rows, stride, n, words, first);
    else
        unite(&actions->channels, item, rows, stride, n, words);
    const uint32_t matched = (uint32_t)count_bits(words, n);
    uint32_t granted = 0, cause = SM_CAUSE_NO_RING;
    if (matched && ring && !grant(ring, matched, cursor->stopping != 0, timeout_us, &granted, &cause))
        return 0;
    if (granted) {
        const matches found = {batch->events + start, words, malformed, truncated, n, rules > 1 ? first : 0, *group};
        put(ring, granted, batch, &found);
    }
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
        uint64_t bytes = 0;
        for (uint64_t i = 0; i < batch->n; i++)
            bytes += batch->events[i].cap_len;
        accounts->events += batch->n;
        accounts->bytes += bytes;
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
