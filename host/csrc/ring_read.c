/* The reader's flow of records: looking, copying what may be written over, waiting, and Python's one call per batch. */
#include "ring_wait.h"

#define LOOKS 1000 /* for a floor and an index that belong together, while the producer runs away with both */

void sm_lane_skip(sm_lane *lane, uint64_t to) {
    sm_lane_block *const block = lane->shared;
    const uint64_t lost = atomic_load_explicit(&block->lost, memory_order_relaxed);
    atomic_store_explicit(&block->lost, lost + (to - lane->mine), memory_order_relaxed);
    lane->mine = to;
    if ((int64_t)(lane->theirs - to) < 0) lane->theirs = to;
    sm_lane_show(lane, &block->consumed, &block->producer_wants);
}

static uint64_t broken(sm_lane *lane) {
    lane->fault = SM_RING_CORRUPT;
    lane->theirs = lane->mine;
    return 0;
}

/* Takes in an index with a floor that is not past it. The producer raises the floor before it shows what it wrote, so
 * that a floor read after the index is not too low for it. */
uint64_t sm_lane_catch_up(const sm_ring *r, sm_lane *lane) {
    for (int i = 0; i < LOOKS; i++) {
        const uint64_t written = atomic_load_explicit(&lane->shared->written, memory_order_acquire);
        const uint64_t floor = atomic_load_explicit(&lane->shared->floor, memory_order_relaxed);
        if (floor && (int64_t)(floor - lane->mine) > 0) {
            if ((int64_t)(floor - written) > 0) continue;
            sm_lane_skip(lane, floor);
        }
        if (written - lane->mine > r->slots || written - lane->mine < lane->theirs - lane->mine) break;
        lane->theirs = written;
        return written - lane->mine;
    }
    return broken(lane);
}

/* Whether the producer follows this reader's policy: until then a lane that it may be writing over looks empty. One that
 * comes later takes notice before it writes. */
static int in_force(sm_ring *r, sm_lane *lane) {
    if (atomic_load_explicit(&lane->shared->accepted, memory_order_acquire) != lane->epoch &&
        sm_ring_alive(r, SM_BYTE_PRODUCER))
        return 0;
    lane->pending = 0;
    return 1;
}

uint64_t sm_ring_look(sm_ring *r) {
    sm_lane *const lane = r->lanes;
    if (lane->fault) return 0;
    if (lane->pending) return in_force(r, lane) ? sm_lane_catch_up(r, lane) : 0;
    if (lane->policy == SM_RING_DROP_OLDEST) return sm_lane_catch_up(r, lane);
    const uint64_t written = atomic_load_explicit(&lane->shared->written, memory_order_acquire);
    /* It stays within the ring and never goes back. */
    if (written - lane->mine > r->slots || written - lane->mine < lane->theirs - lane->mine) return broken(lane);
    lane->theirs = written;
    return written - lane->mine;
}

/* By words, as the producer of such a lane writes them. */
static void copy_words(const sm_ring *r, uint8_t *to, uint64_t start, uint64_t n) {
    const uint32_t words = r->slot_size / 8;
    for (uint64_t seq = start; seq < start + n; seq++, to += r->slot_size) {
        const uint8_t *const slot = r->lanes->base + (seq & (r->slots - 1)) * r->slot_size;
        for (uint32_t k = 0; k < words; k++) {
            const uint64_t word = atomic_load_explicit((const _Atomic uint64_t *)(const void *)slot + k, memory_order_relaxed);
            memcpy(to + 8 * k, &word, 8);
        }
    }
}

uint32_t sm_ring_take(sm_ring *r, void *to, uint32_t max, uint32_t *first) {
    sm_lane *const lane = r->lanes;
    for (;;) {
        uint64_t n = sm_ring_look(r);
        if (n > max) n = max;
        if (!n) return 0;
        copy_words(r, to, lane->mine, n);
        /* Whoever has copied a byte of a newer record sees the floor that was raised before it was written. */
        atomic_thread_fence(memory_order_acquire);
        const uint64_t floor = atomic_load_explicit(&lane->shared->floor, memory_order_relaxed);
        const uint64_t end = lane->mine + n, gone = floor && (int64_t)(floor - lane->mine) > 0 ? floor - lane->mine : 0;
        if (gone >= n) continue; /* all of them: looks again, from the floor on */
        if (gone) sm_lane_skip(lane, floor);
        lane->mine = end;
        sm_lane_show(lane, &lane->shared->consumed, &lane->shared->producer_wants);
        *first = (uint32_t)gone;
        return (uint32_t)(n - gone);
    }
}

void sm_ring_give_back(sm_ring *r, uint32_t n) {
    if (r->lanes->fault != SM_RING_DISOWNED) sm_ring_release(r, n);
}

/* Gives `release` slots back and looks for the next run: index of its first slot << 32 | slots in it. */
uint64_t sm_ring_next(sm_ring *r, uint32_t release, uint32_t max) {
    const sm_record *first;
    if (release) sm_ring_give_back(r, release);
    const uint32_t run = sm_ring_peek(r, max, &first);
    return (r->lanes->mine & (r->slots - 1)) << 32 | run;
}

/* Sleeps until the producer shows a record, at most left_us. The next, longer nap where it cannot wake us; 0 when a
 * signal handler ran. */
static long sleep_for_record(sm_ring *r, long nap_ns, uint64_t left_us) {
    sm_lane_block *const block = r->lanes->shared;
    if (r->lanes->pending || !atomic_load_explicit(&r->shared->producer_barrier, memory_order_relaxed)) return sm_nap(nap_ns);
    atomic_store_explicit(&block->reader_wants, r->lanes->theirs + 1, memory_order_relaxed);
    if (!sm_bell_barrier()) nap_ns = sm_nap(nap_ns);
    else {
        const uint64_t seen = atomic_load_explicit(&block->written, memory_order_acquire);
        if (!sm_ring_look(r) && !r->lanes->fault)
            nap_ns = sm_bell_sleep(&block->written, seen, 1000 * (left_us < SM_SLICE_US ? left_us : SM_SLICE_US)) ? nap_ns : 0;
    }
    atomic_store_explicit(&block->reader_wants, 0, memory_order_relaxed);
    return nap_ns;
}

/* Until there is a record, or there will be none. */
int sm_ring_wait(sm_ring *r, uint64_t timeout_us) {
    const sm_lane *const lane = r->lanes;
    for (int i = 0; i < SM_SPINS; i++) {
        if (sm_ring_look(r)) return SM_WAIT_READY;
        if (lane->fault) return SM_WAIT_FAULT;
        if (timeout_us == 0) break;
        sm_relax();
    }
    uint64_t end = sm_elapsed_us() + timeout_us;
    for (long ns = SM_SLEEP_MIN_NS;;) {
        /* In this order: a producer commits, then says closed, then gives its lock back. */
        int alive = sm_ring_alive(r, SM_BYTE_PRODUCER);
        uint32_t state = atomic_load_explicit(&r->shared->state, memory_order_acquire);
        if (sm_ring_look(r)) return SM_WAIT_READY;
        if (lane->fault) return SM_WAIT_FAULT;
        if (!alive && state == SM_RING_STATE_CLOSED) return SM_WAIT_CLOSED;
        if (!alive && !sm_ring_alive(r, SM_BYTE_PRODUCER)) return SM_WAIT_GONE; /* asked again: one may have taken over */
        const uint64_t now = sm_elapsed_us();
        if (now >= end) return SM_WAIT_TIME;
        ns = sleep_for_record(r, ns, end - now);
        if (sm_ring_look(r)) return SM_WAIT_READY;
        if (ns == 0) return SM_WAIT_SIGNAL;
    }
}
