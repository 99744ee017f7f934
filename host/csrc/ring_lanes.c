/* The producer's side of lanes: who subscribes, how much room each lane has by its policy, and waiting for room. */
#include "ring_wait.h"

void sm_ring_beat(sm_ring *r) {
    const uint64_t now = sm_tick_ns();
    if (now == r->beat_ns || r->role != SM_RING_PRODUCER || r->lanes->fault == SM_RING_DISOWNED) return;
    r->beat_ns = now;
    atomic_store_explicit(&r->shared->beat_ns, now, memory_order_relaxed);
}

/* What the subscriber asks for, into the producer's view; SM_RING_CORRUPT if it cannot be. */
static int read_wishes(const sm_lane_block *block, uint32_t *policy, uint64_t *deadline_us) {
    *policy = atomic_load_explicit(&block->policy, memory_order_relaxed);
    *deadline_us = atomic_load_explicit(&block->deadline_us, memory_order_relaxed);
    return *policy < SM_RING_POLICIES && *deadline_us <= SM_DEADLINE_MAX_US ? SM_RING_OK : SM_RING_CORRUPT;
}

/* A reader came, or went on, in this lane. */
static void accept_reader(sm_ring *r, sm_lane *lane, uint64_t epoch) {
    sm_lane_block *const block = lane->shared;
    lane->epoch = epoch;
    lane->late = lane->gone = 0;
    lane->since_ns = 0;
    if (lane->number) {
        uint64_t deadline_us;
        lane->fault = read_wishes(block, &lane->policy, &deadline_us);
        lane->timeout_ns = deadline_us * 1000;
        if (lane->fault) lane->policy = SM_RING_DROP_NEWEST;
    } else {
        lane->fault = SM_RING_OK;
    }
    if (!lane->fault && sm_lane_adopt(r, lane) != SM_RING_OK) lane->fault = SM_RING_CORRUPT;
    atomic_store_explicit(&block->in_force, lane->policy, memory_order_relaxed);
    /* After the last record that was written by the earlier policy: a reader in place begins when it sees this. */
    atomic_store_explicit(&block->accepted, epoch, memory_order_release);
}

/* The indices as the producer goes on from them. SM_RING_CORRUPT: they do not fit the ring. */
int sm_lane_adopt(const sm_ring *r, sm_lane *lane) {
    uint64_t consumed = atomic_load_explicit(&lane->shared->consumed, memory_order_acquire);
    if (lane->floor && (int64_t)(lane->floor - consumed) > 0) consumed = lane->floor;
    if (lane->mine - consumed > r->slots) {
        lane->theirs = lane->mine - r->slots; /* full */
        return SM_RING_CORRUPT;
    }
    lane->theirs = consumed;
    return SM_RING_OK;
}

void sm_ring_follow(sm_ring *r) {
    r->roll = atomic_load_explicit(&r->shared->roll, memory_order_acquire);
    for (uint32_t i = 0; i < SM_RING_LANES; i++) {
        sm_lane *const lane = &r->lanes[i];
        if (lane->fault == SM_RING_DISOWNED) return;
        /* Whoever changes the block says so in `roll` afterwards: what is read halfway here is read again then. */
        const uint64_t epoch = atomic_load_explicit(&lane->shared->epoch, memory_order_acquire);
        if (i && atomic_load_explicit(&lane->shared->state, memory_order_acquire) != SM_LANE_OPEN) {
            r->open &= ~(1u << i);
            continue;
        }
        if (!(r->open >> i & 1)) lane->ahead = 0;
        if (!(r->open >> i & 1) || epoch != lane->epoch) accept_reader(r, lane, epoch);
        r->open |= 1u << i;
    }
    r->direct = r->open == 1 && r->lanes->policy != SM_RING_DROP_OLDEST;
    if (r->direct) r->staged = 0;
}

/* Takes the reader's index in; returns the records in the lane. One that cannot be is a fault, and the lane is full. */
static uint64_t look(const sm_ring *r, sm_lane *lane) {
    if (lane->fault) return r->slots;
    uint64_t theirs = atomic_load_explicit(&lane->shared->consumed, memory_order_acquire);
    /* What lies before the floor is given up, whether the reader has come by there or not. */
    if (lane->floor && (int64_t)(lane->floor - theirs) > 0) theirs = lane->floor;
    /* It never passes the producer and never goes back. */
    if (lane->mine - theirs > lane->mine - lane->theirs) {
        lane->fault = SM_RING_CORRUPT;
        lane->theirs = lane->mine - r->slots;
        return r->slots;
    }
    lane->theirs = theirs;
    return lane->mine - theirs;
}

/* The oldest records give way to n new ones. A reader that copies one of them meanwhile has to notice: whoever sees a
 * byte of what is written from here on sees the new floor, because of the fence here and the reader's. */
static void raise_floor(const sm_ring *r, sm_lane *lane, uint64_t n) {
    lane->floor = lane->theirs = lane->mine + n - r->slots;
    atomic_store_explicit(&lane->shared->floor, lane->floor, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
}

uint64_t sm_lane_room(sm_ring *r, sm_lane *lane, uint64_t wanted) {
    uint64_t room = r->slots - (lane->mine - lane->theirs);
    if (room >= wanted && !lane->fault) return room;
    room = r->slots - look(r, lane);
    if (room >= wanted || lane->policy != SM_RING_DROP_OLDEST || lane->fault) return room;
    if (wanted > r->slots) wanted = r->slots;
    raise_floor(r, lane, wanted);
    return wanted;
}

void sm_lane_commit(sm_lane *lane, uint64_t n) {
    lane->mine += n;
    sm_lane_show(lane, &lane->shared->written, &lane->shared->reader_wants);
}

void sm_lane_count(sm_ring *r, sm_lane *lane, uint32_t cause, uint64_t n) {
    if (n == 0 || cause >= SM_RING_CAUSES || r->role != SM_RING_PRODUCER || lane->fault == SM_RING_DISOWNED) return;
    _Atomic uint64_t *counter = &lane->shared->undelivered[cause];
    /* Only this side writes it, so no read-modify-write is needed. */
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n, memory_order_relaxed);
}

static uint64_t room_now(const sm_ring *r, sm_lane *lane) { return r->slots - look(r, lane); }

/* As sleep_for_record, the other way round: until n slots are free. */
static long sleep_for_room(const sm_ring *r, sm_lane *lane, uint32_t n, long nap_ns, uint64_t left_us) {
    sm_lane_block *const block = lane->shared;
    if (!atomic_load_explicit(&block->barrier, memory_order_relaxed)) return sm_nap(nap_ns);
    atomic_store_explicit(&block->producer_wants, lane->mine + n - r->slots, memory_order_relaxed);
    if (!sm_bell_barrier()) nap_ns = sm_nap(nap_ns);
    else {
        const uint64_t seen = atomic_load_explicit(&block->consumed, memory_order_acquire);
        if (room_now(r, lane) < n && !lane->fault)
            nap_ns = sm_bell_sleep(&block->consumed, seen, 1000 * (left_us < SM_SLICE_US ? left_us : SM_SLICE_US)) ? nap_ns : 0;
    }
    atomic_store_explicit(&block->producer_wants, 0, memory_order_relaxed);
    return nap_ns;
}

int sm_lane_wait_room(sm_ring *r, sm_lane *lane, uint32_t n, uint64_t timeout_us) {
    if (n > r->slots) n = (uint32_t)r->slots;
    if (room_now(r, lane) >= n) return SM_WAIT_READY;
    if (lane->fault) return SM_WAIT_FAULT;
    if (lane->gone) return SM_WAIT_GONE;
    for (int i = 0; i < SM_SPINS; i++) {
        sm_relax();
        if (room_now(r, lane) >= n) return SM_WAIT_READY;
    }
    uint64_t end = sm_elapsed_us() + timeout_us;
    for (long ns = SM_SLEEP_MIN_NS;;) {
        sm_ring_beat(r);
        int alive = sm_ring_alive(r, SM_BYTE_LANES + lane->number);
        if (room_now(r, lane) >= n) return SM_WAIT_READY; /* looked at after asking: it may have died just then */
        if (lane->fault) return SM_WAIT_FAULT;
        if (!alive) {
            lane->gone = 1;
            return SM_WAIT_GONE;
        }
        const uint64_t now = sm_elapsed_us();
        if (now >= end) return SM_WAIT_TIME;
        ns = sleep_for_room(r, lane, n, ns, end - now);
        if (ns == 0) return SM_WAIT_SIGNAL;
    }
}

uint32_t sm_lane_refusal(const sm_lane *lane) {
    /* One that was closed in this process is no ring any more. */
    if (lane->fault) return lane->fault == SM_RING_CORRUPT ? SM_CAUSE_CORRUPT : SM_CAUSE_NO_RING;
    if (lane->policy != SM_RING_BLOCK) return SM_CAUSE_FULL;
    if (lane->gone) return SM_CAUSE_READER_GONE; /* who comes says so in `roll` */
    return lane->late && lane->theirs == lane->seen ? SM_CAUSE_TIMEOUT : SM_CAUSE_NONE;
}

int sm_lane_await(sm_ring *r, sm_lane *lane, uint32_t n, uint64_t slice_us, uint32_t *cause, int *signal) {
    *cause = SM_CAUSE_NONE;
    if (!lane->since_ns) {
        lane->since_ns = sm_elapsed_us() * 1000;
        lane->seen = lane->theirs;
        lane->late = 0;
    }
    const int wait = sm_lane_wait_room(r, lane, n, slice_us);
    if (wait == SM_WAIT_TIME || wait == SM_WAIT_SIGNAL) {
        *signal |= wait == SM_WAIT_SIGNAL;
        if (lane->theirs != lane->seen)
            lane->since_ns = 0;
        else if (lane->timeout_ns && sm_elapsed_us() * 1000 - lane->since_ns >= lane->timeout_ns) {
            lane->late = 1;
            *cause = SM_CAUSE_TIMEOUT;
        }
        if (*cause == SM_CAUSE_NONE) return 0;
    } else if (wait != SM_WAIT_READY) {
        *cause = wait == SM_WAIT_GONE ? SM_CAUSE_READER_GONE : SM_CAUSE_CORRUPT;
    }
    lane->since_ns = 0;
    return 1;
}
