#include "outlet.h"

#include <time.h>

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
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

/* The first n matches into slots, from number `seq` on; returns those that are left. The header goes out as four words,
 * see sm_record. `room` is an argument so that the compiler can make a copy of this for the usual sizes. */
static inline __attribute__((always_inline)) uint64_t put_sized(uint8_t *base, uint64_t mask, uint64_t seq, uint64_t n,
                                                                const sm_matches *matches, uint64_t left, uint32_t room)
{
    /* In locals: a store into a slot could be to anything, as far as the compiler knows. */
    const sm_matches m = *matches;
    const uint64_t generation = (uint64_t)m.generation << 32;
    const uint64_t origin = (uint64_t)m.engine << 32 | (uint64_t)m.source << 48;

    for (const uint64_t end = seq + n; seq < end; seq++, left &= left - 1) {
        const unsigned i = (unsigned)__builtin_ctzll(left);
        const sm_event event = m.events[i];
        const uint32_t held = event.cap_len < room ? event.cap_len : room;
        const uint64_t wire = event.wire_len > SM_SIZE_MAX ? SM_SIZE_MAX : event.wire_len;
        const uint64_t flags = (event.cap_len > room) * SM_FLAG_CUT + (m.malformed >> i & 1) * SM_FLAG_MALFORMED +
                               (m.truncated >> i & 1) * SM_FLAG_TRUNCATED;
        uint8_t *const slot = base + (seq & mask) * (room + SM_RECORD_HEADER);
        put64(slot, event.ts_ns);
        put64(slot + 8, seq);
        put64(slot + 16, (m.first ? m.first[i] : m.rule) | generation);
        put64(slot + 24, held | wire << 16 | origin | flags << 40);
        copy_data(slot + SM_RECORD_HEADER, m.buffer + event.offset, held, room);
    }
    return left;
}

static uint64_t put(uint8_t *base, uint64_t slots, uint32_t slot_size, uint64_t seq, uint64_t n, const sm_matches *matches,
                    uint64_t left)
{
    switch (slot_size) {
    case 96: return put_sized(base, slots - 1, seq, n, matches, left, 64);
    case 128: return put_sized(base, slots - 1, seq, n, matches, left, 96);
    case 160: return put_sized(base, slots - 1, seq, n, matches, left, 128);
    default: return put_sized(base, slots - 1, seq, n, matches, left, slot_size - SM_RECORD_HEADER);
    }
}

/* Free slots of the ring, `wanted` or as many as there are. */
static uint64_t room_in(sm_ring *ring, uint64_t wanted)
{
    const uint64_t room = ring->slots - (ring->mine - ring->theirs);
    return room >= wanted && !ring->fault ? room : ring->slots - sm_ring_look(ring);
}

/* One that was closed in this process is no ring any more. */
static uint32_t fault_cause(const sm_ring *ring)
{
    return ring->fault == SM_RING_CORRUPT ? SM_CAUSE_CORRUPT : SM_CAUSE_NO_RING;
}

/* What waits in the backlog is not delivered. */
static void give_up(sm_outlet *outlet, uint32_t cause)
{
    sm_ring_count(outlet->ring, cause, outlet->put - outlet->taken);
    for (; outlet->taken < outlet->put; outlet->taken++) {
        const sm_owner owner = outlet->owners[outlet->taken & (outlet->slots - 1)];
        uint64_t *const waiting = &owner.accounts->waiting[owner.channel];
        sm_add(&owner.accounts->undelivered[(uint64_t)owner.channel * SM_CAUSES + cause], 1);
        __atomic_store_n(waiting, *waiting - 1, __ATOMIC_RELEASE);
    }
}

void sm_outlet_drain(sm_outlet *outlet)
{
    sm_ring *const ring = outlet->ring;
    const uint32_t size = ring->slot_size;
    const uint64_t start = ring->mine;
    uint64_t n = outlet->put - outlet->taken;

    if (!n)
        return;
    if (ring->fault) {
        give_up(outlet, fault_cause(ring));
        return;
    }
    const uint64_t room = room_in(ring, n);
    if (n > room)
        n = room;
    for (uint64_t i = 0; i < n; i++) {
        uint8_t *const slot = ring->base + ((start + i) & (ring->slots - 1)) * size;
        memcpy(slot, outlet->backlog + ((outlet->taken + i) & (outlet->slots - 1)) * size, size);
        put64(slot + offsetof(sm_record, seq), start + i);
    }
    if (n)
        sm_ring_commit(ring, (uint32_t)n);
    for (uint64_t i = 0; i < n; i++, outlet->taken++) {
        const sm_owner owner = outlet->owners[outlet->taken & (outlet->slots - 1)];
        uint64_t *const waiting = &owner.accounts->waiting[owner.channel];
        sm_add(&owner.accounts->delivered[owner.channel], 1);
        __atomic_store_n(waiting, *waiting - 1, __ATOMIC_RELEASE);
    }
}

/* n matches into the backlog, which has room for them. */
static uint64_t keep(sm_outlet *outlet, sm_accounts *accounts, uint32_t channel, uint64_t n, const sm_matches *matches,
                     uint64_t left)
{
    left = put(outlet->backlog, outlet->slots, outlet->ring->slot_size, outlet->put, n, matches, left);
    for (uint64_t i = 0; i < n; i++, outlet->put++)
        outlet->owners[outlet->put & (outlet->slots - 1)] = (sm_owner){accounts, channel, 0};
    sm_add(&accounts->waiting[channel], n);
    return left;
}

int sm_outlet_send(sm_outlet *outlet, sm_accounts *accounts, uint32_t channel, const sm_matches *matches, uint32_t cause)
{
    const uint64_t wanted = sm_bits(matches->words);
    uint64_t *const undelivered = accounts->undelivered + (uint64_t)channel * SM_CAUSES;

    if (!outlet) {
        sm_add(&undelivered[SM_CAUSE_NO_RING], wanted);
        return 1;
    }
    sm_ring *const ring = outlet->ring;
    sm_outlet_drain(outlet);
    const uint64_t room = outlet->put != outlet->taken ? 0 : room_in(ring, wanted);
    const uint64_t spare = ring->fault ? 0 : outlet->slots - (outlet->put - outlet->taken);
    if (room + spare < wanted) {
        if (ring->fault)
            cause = fault_cause(ring);
        else if (ring->policy != SM_RING_BLOCK)
            cause = SM_CAUSE_FULL;
        else if (outlet->late && ring->theirs == outlet->seen)
            cause = SM_CAUSE_TIMEOUT;
        if (cause == SM_CAUSE_NONE)
            return 0;
    }
    /* A fault leaves what the ring was known to have free: that is still good. */
    const uint64_t here = ring->fault && ring->fault != SM_RING_CORRUPT ? 0 : room < wanted ? room : wanted;
    const uint64_t later = wanted - here < spare ? wanted - here : spare;
    uint64_t left = matches->words;
    if (here) {
        left = put(ring->base, ring->slots, ring->slot_size, ring->mine, here, matches, left);
        sm_ring_commit(ring, (uint32_t)here);
        sm_add(&accounts->delivered[channel], here);
    }
    if (later)
        keep(outlet, accounts, channel, later, matches, left);
    if (here + later < wanted) {
        sm_add(&undelivered[cause], wanted - here - later);
        sm_ring_count(ring, cause, wanted - here - later);
    } else {
        outlet->late = 0;
    }
    return 1;
}

int sm_outlet_wait(sm_outlet *outlet, uint64_t slice_us, uint32_t *cause, int *signal)
{
    sm_ring *const ring = outlet->ring;
    *cause = SM_CAUSE_NONE;
    if (!outlet->since_ns) {
        outlet->since_ns = now_ns();
        outlet->seen = ring->theirs;
        outlet->late = 0;
    }
    const int wait = sm_ring_wait_room(ring, SM_CHUNK, slice_us);
    if (wait == SM_WAIT_TIME || wait == SM_WAIT_SIGNAL) {
        *signal |= wait == SM_WAIT_SIGNAL;
        if (ring->theirs != outlet->seen)
            outlet->since_ns = 0;
        else if (outlet->timeout_ns && now_ns() - outlet->since_ns >= outlet->timeout_ns) {
            outlet->late = 1;
            *cause = SM_CAUSE_TIMEOUT;
        }
        if (*cause == SM_CAUSE_NONE)
            return 0;
    } else if (wait != SM_WAIT_READY) {
        *cause = wait == SM_WAIT_GONE ? SM_CAUSE_READER_GONE : fault_cause(ring);
    }
    outlet->since_ns = 0;
    return 1;
}

int sm_outlet_flush(sm_outlet *outlet, uint32_t cause, uint64_t slice_us)
{
    int signal = 0;
    sm_outlet_drain(outlet);
    if (outlet->put == outlet->taken)
        return 1;
    if (outlet->late && outlet->ring->theirs == outlet->seen)
        cause = SM_CAUSE_TIMEOUT;
    if (cause == SM_CAUSE_NONE && !sm_outlet_wait(outlet, slice_us, &cause, &signal))
        return 0;
    sm_outlet_drain(outlet);
    if (cause != SM_CAUSE_NONE)
        give_up(outlet, cause);
    return outlet->put == outlet->taken;
}
