/* Ends: a side that is closed, abandoned, or carried over a fork; and who of the others lives. */
#include "ring_file.h"
#include "ring_map.h"
#include "ring_wait.h"

#include <unistd.h>

/* The byte that this handle holds; none is UINT32_MAX. */
static uint32_t own_byte(const sm_ring *r) {
    return r->role == SM_RING_PRODUCER ? SM_BYTE_PRODUCER
           : r->role == SM_RING_READER ? SM_BYTE_LANES + r->lanes->number
                                       : UINT32_MAX;
}

int sm_ring_alive(const sm_ring *r, uint32_t byte) {
    if (r->fd < 0) return 0;
    return byte == own_byte(r) || sm_ring_file_locked(r->fd, byte);
}

/* Nothing can be done with the handle any more; the mapping stays, since views of it may be in use. */
static void let_go(sm_ring *r) {
    if (r->fd >= 0) close(r->fd);
    r->fd = -1;
    r->direct = r->staged = 0;
    r->latency = 0;
    for (int i = 0; i < SM_RING_LANES; i++) {
        sm_lane *const lane = &r->lanes[i];
        lane->fault = SM_RING_DISOWNED;
        lane->theirs = r->role == SM_RING_PRODUCER ? lane->mine - r->slots : lane->mine; /* full, or empty */
    }
}

/* Before closing: a child forked by C code may still hold the same open file. */
static void unlock(const sm_ring *r) {
    if (r->fd >= 0 && r->role != SM_RING_OBSERVER) sm_ring_file_unlock(r->fd, own_byte(r));
}

/* A subscriber's lane becomes free; what it has not read is lost. The default lane waits for its next reader. */
static void leave(sm_ring *r) {
    sm_lane *const lane = r->lanes;
    if (!lane->number || lane->fault) return;
    atomic_store_explicit(&lane->shared->state, SM_LANE_FREE, memory_order_release);
    const uint64_t written = atomic_load_explicit(&lane->shared->written, memory_order_acquire);
    if (written - lane->mine <= UINT64_MAX / 2) sm_lane_skip(lane, written);
    atomic_fetch_add_explicit(&r->shared->roll, 1, memory_order_release);
}

/* Those who sleep look around: this side is gone. */
static void wake_others(const sm_ring *r) {
    for (int i = 0; i < (r->role == SM_RING_PRODUCER ? SM_RING_LANES : 1) && r->role != SM_RING_OBSERVER; i++) {
        const sm_lane_block *const block = r->lanes[i].shared;
        sm_bell_ring(r->role == SM_RING_PRODUCER ? &block->written : &block->consumed);
    }
}

void sm_ring_close(sm_ring *r) {
    if (r->fd < 0) return;
    if (r->role == SM_RING_PRODUCER)
        atomic_store_explicit(&r->shared->state, SM_RING_STATE_CLOSED, memory_order_release);
    if (r->role == SM_RING_READER) leave(r);
    unlock(r);
    wake_others(r);
    let_go(r);
}

void sm_ring_abandon(sm_ring *r) {
    unlock(r);
    let_go(r);
}

void sm_ring_disown(sm_ring *r) { let_go(r); }

void sm_ring_free(sm_ring *r) {
    sm_ring_abandon(r);
    sm_ring_unmap(r);
}
