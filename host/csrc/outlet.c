#include "outlet.h"

#include "ring_wait.h"

static inline __attribute__((always_inline)) void put64(uint8_t *to, uint64_t value)
{
    memcpy(to, &value, sizeof value);
}

/* The first `held` bytes of `room` from the event, the rest zero: no trace of older records. `room` is a multiple of
 * 32; where the event fills it the copy is a few vector moves, without a call. */
static inline __attribute__((always_inline)) void copy_data(uint8_t *to, const uint8_t *from, uint32_t held, uint32_t room)
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
        sm_ring_ahead(slot, room + SM_RECORD_HEADER);
        put64(slot, event.ts_ns);
        put64(slot + 8, seq);
        put64(slot + 16, (m.first ? m.first[i] : m.rule) | generation);
        put64(slot + 24, held | wire << 16 | origin | flags << 40);
        copy_data(slot + SM_RECORD_HEADER, m.buffer + event.offset, held, room);
    }
    return left;
}

static inline __attribute__((always_inline)) uint64_t put_by_size(uint8_t *base, uint64_t slots, uint32_t slot_size,
                                                                  uint64_t seq, uint64_t n, const sm_matches *matches,
                                                                  uint64_t left)
{
    switch (slot_size) {
    case 96: return put_sized(base, slots - 1, seq, n, matches, left, 64);
    case 128: return put_sized(base, slots - 1, seq, n, matches, left, 96);
    case 160: return put_sized(base, slots - 1, seq, n, matches, left, 128);
    default: return put_sized(base, slots - 1, seq, n, matches, left, slot_size - SM_RECORD_HEADER);
    }
}

#ifdef SM_WIDE
/* With moves of 32 bytes, and the instructions for single bits. */
static SM_WIDE uint64_t put_wide(uint8_t *base, uint64_t slots, uint32_t slot_size, uint64_t seq, uint64_t n,
                                 const sm_matches *matches, uint64_t left)
{
    return put_by_size(base, slots, slot_size, seq, n, matches, left);
}
#endif

static uint64_t put(uint8_t *base, uint64_t slots, uint32_t slot_size, uint64_t seq, uint64_t n, const sm_matches *matches,
                    uint64_t left)
{
#ifdef SM_WIDE
    if (sm_wide())
        return put_wide(base, slots, slot_size, seq, n, matches, left);
#endif
    return put_by_size(base, slots, slot_size, seq, n, matches, left);
}

/* The first n matches lie in the ring now: how long after they arrived, where that is measured. */
static void arrived(const sm_outlet *outlet, const sm_matches *matches, uint64_t n)
{
    sm_histogram *const latency = outlet->ring->latency;
    if (!latency || !n)
        return;
    const uint64_t now = sm_now_ns();
    for (uint64_t left = matches->words; n--; left &= left - 1)
        sm_histogram_age(latency, now, matches->events[__builtin_ctzll(left)].ts_ns);
}

/* Everything that waits is counted as undelivered. */
static void give_up(sm_outlet *outlet, uint32_t cause)
{
    sm_lane_count(outlet->ring, outlet->ring->lanes, cause, outlet->put - outlet->taken);
    for (; outlet->taken != outlet->put; outlet->taken++) {
        const sm_owner owner = outlet->owners[outlet->taken & (outlet->slots - 1)];
        uint64_t *const waiting = &owner.accounts->waiting[owner.channel];
        sm_add(&owner.accounts->undelivered[(uint64_t)owner.channel * SM_CAUSES + cause], 1);
        __atomic_store_n(waiting, *waiting - 1, __ATOMIC_RELEASE);
    }
}

/* When a record of the backlog arrived. */
static uint64_t waits_since(const sm_outlet *outlet, uint64_t number)
{
    uint64_t ts_ns;
    memcpy(&ts_ns, outlet->backlog + (number & (outlet->slots - 1)) * outlet->ring->slot_size, sizeof ts_ns);
    return ts_ns;
}

void sm_outlet_drain(sm_outlet *outlet)
{
    sm_ring *const ring = outlet->ring;
    sm_lane *const lane = ring->lanes;
    const uint32_t size = ring->slot_size;
    const uint64_t start = lane->mine;
    uint64_t n = outlet->put - outlet->taken;

    if (!n)
        return;
    if (lane->fault) {
        give_up(outlet, sm_lane_refusal(lane));
        return;
    }
    const uint64_t room = sm_lane_room(ring, lane, n);
    if (n > room)
        n = room;
    for (uint64_t i = 0; i < n; i++) {
        uint8_t *const slot = lane->base + ((start + i) & (ring->slots - 1)) * size;
        memcpy(slot, outlet->backlog + ((outlet->taken + i) & (outlet->slots - 1)) * size, size);
        put64(slot + offsetof(sm_record, seq), start + i);
    }
    if (n)
        sm_lane_commit(lane, n);
    const uint64_t now = n && ring->latency ? sm_now_ns() : 0;
    for (uint64_t i = 0; i < n; i++, outlet->taken++) {
        if (ring->latency)
            sm_histogram_age(ring->latency, now, waits_since(outlet, outlet->taken));
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

/* n matches into a lane that has room for them. */
static uint64_t put_into(sm_ring *ring, sm_lane *lane, uint64_t n, const sm_matches *matches, uint64_t left)
{
    if (lane->policy == SM_RING_DROP_OLDEST) {
        left = put(ring->stage, ring->slots, ring->slot_size, 0, n, matches, left);
        sm_lane_copy(ring, lane, ring->stage, n);
    } else {
        left = put(lane->base, ring->slots, ring->slot_size, lane->mine, n, matches, left);
    }
    sm_lane_commit(lane, n);
    return left;
}

/* Into each lane that is open; 0 where one of them has to be waited for: the others have theirs. */
static int offer(sm_outlet *outlet, const sm_matches *matches, uint32_t cause)
{
    sm_ring *const ring = outlet->ring;
    if (!outlet->lanes) {
        outlet->lanes = ring->open;
        for (uint32_t i = 0; i < SM_RING_LANES; i++) {
            outlet->left[i] = matches->words;
            outlet->why[i] = SM_CAUSE_NONE;
        }
    }
    outlet->waiting = 0;
    for (uint32_t lanes = outlet->lanes; lanes; lanes &= lanes - 1) {
        const unsigned i = (unsigned)__builtin_ctz(lanes);
        sm_lane *const lane = &ring->lanes[i];
        const uint64_t wanted = outlet->why[i] == SM_CAUSE_NONE ? sm_bits(outlet->left[i]) : 0;
        const int behind = i == 0 && outlet->put != outlet->taken; /* what waits in the backlog comes first */
        const uint64_t room = !wanted || behind ? 0 : sm_lane_room(ring, lane, wanted);
        if (room)
            outlet->left[i] = put_into(ring, lane, room < wanted ? room : wanted, matches, outlet->left[i]);
        if (room >= wanted)
            continue;
        outlet->why[i] = sm_lane_refusal(lane);
        if (outlet->why[i] == SM_CAUSE_NONE)
            outlet->why[i] = cause;
        if (outlet->why[i] == SM_CAUSE_NONE)
            outlet->waiting |= 1u << i;
        else
            sm_lane_count(ring, lane, outlet->why[i], wanted - room);
    }
    return !outlet->waiting;
}

/* Several lanes: a match is delivered when all of them got it; otherwise it is undelivered, by the cause of the first
 * that did not. A default lane that never had a reader has no say while others have. Each lane got the first matches
 * and missed the others. */
static int send_to_lanes(sm_outlet *outlet, sm_accounts *accounts, uint32_t channel, const sm_matches *matches,
                         uint32_t cause)
{
    if (outlet->put != outlet->taken)
        sm_outlet_drain(outlet);
    if (!offer(outlet, matches, cause))
        return 0;
    const int unread = (outlet->lanes & ~1u) && !outlet->ring->lanes->epoch;
    uint64_t reached = matches->n, most = 0;
    for (uint32_t lanes = unread ? outlet->lanes & ~1u : outlet->lanes; lanes; lanes &= lanes - 1) {
        const unsigned i = (unsigned)__builtin_ctz(lanes);
        const uint64_t got = matches->n - sm_bits(outlet->left[i]);
        if (got < reached) {
            sm_add(&accounts->undelivered[(uint64_t)channel * SM_CAUSES + outlet->why[i]], reached - got);
            reached = got;
        }
    }
    for (uint32_t lanes = outlet->lanes; lanes; lanes &= lanes - 1) {
        const uint64_t got = matches->n - sm_bits(outlet->left[__builtin_ctz(lanes)]);
        most = got > most ? got : most;
    }
    arrived(outlet, matches, most);
    sm_add(&accounts->delivered[channel], reached);
    outlet->lanes = 0;
    return 1;
}

int sm_outlet_send(sm_outlet *outlet, sm_accounts *accounts, uint32_t channel, const sm_matches *matches, uint32_t cause)
{
    const uint64_t wanted = matches->n;
    uint64_t *const undelivered = accounts->undelivered + (uint64_t)channel * SM_CAUSES;

    if (!outlet) {
        sm_add(&undelivered[SM_CAUSE_NO_RING], wanted);
        return 1;
    }
    sm_ring *const ring = outlet->ring;
    sm_lane *const lane = ring->lanes;
    if (!outlet->lanes && sm_ring_rolled(ring))
        sm_ring_follow(ring);
    if (outlet->lanes || !ring->direct)
        return send_to_lanes(outlet, accounts, channel, matches, cause);
    if (outlet->put != outlet->taken)
        sm_outlet_drain(outlet);
    const uint64_t room = outlet->put != outlet->taken ? 0 : sm_lane_room(ring, lane, wanted);
    const uint64_t spare = lane->fault ? 0 : outlet->slots - (outlet->put - outlet->taken);
    if (room + spare < wanted) {
        const uint32_t refusal = sm_lane_refusal(lane);
        if (refusal != SM_CAUSE_NONE)
            cause = refusal;
        if (cause == SM_CAUSE_NONE)
            return 0;
    }
    /* A fault leaves what the lane was known to have free: that is still good. */
    const uint64_t here = room < wanted ? room : wanted;
    const uint64_t later = wanted - here < spare ? wanted - here : spare;
    uint64_t left = matches->words;
    if (here) {
        left = put(lane->base, ring->slots, ring->slot_size, lane->mine, here, matches, left);
        sm_lane_commit(lane, here);
        arrived(outlet, matches, here);
        sm_add(&accounts->delivered[channel], here);
    }
    if (later)
        keep(outlet, accounts, channel, later, matches, left);
    if (here + later < wanted) {
        sm_add(&undelivered[cause], wanted - here - later);
        sm_lane_count(ring, lane, cause, wanted - here - later);
    } else {
        lane->late = 0;
    }
    return 1;
}

int sm_outlet_wait(sm_outlet *outlet, uint64_t slice_us, uint32_t *cause, int *signal)
{
    sm_ring *const ring = outlet->ring;
    if (!outlet->lanes)
        return sm_lane_await(ring, ring->lanes, SM_CHUNK, slice_us, cause, signal);
    const int alone = !(outlet->waiting & (outlet->waiting - 1));
    int over = 0;
    for (uint32_t lanes = outlet->waiting; lanes; lanes &= lanes - 1)
        over |= sm_lane_await(ring, &ring->lanes[__builtin_ctz(lanes)], SM_CHUNK, alone ? slice_us : SM_TURN_US, cause,
                              signal);
    *cause = SM_CAUSE_NONE; /* each lane knows its own */
    return over;
}

int sm_outlet_flush(sm_outlet *outlet, uint32_t cause, uint64_t slice_us)
{
    sm_lane *const lane = outlet->ring->lanes;
    int signal = 0;
    if (sm_ring_rolled(outlet->ring))
        sm_ring_follow(outlet->ring);
    sm_outlet_drain(outlet);
    if (outlet->put == outlet->taken)
        return 1;
    if (sm_lane_refusal(lane) != SM_CAUSE_NONE)
        cause = sm_lane_refusal(lane);
    if (cause == SM_CAUSE_NONE && !sm_lane_await(outlet->ring, lane, SM_CHUNK, slice_us, &cause, &signal))
        return 0;
    sm_outlet_drain(outlet);
    if (cause != SM_CAUSE_NONE)
        give_up(outlet, cause);
    return outlet->put == outlet->taken;
}
