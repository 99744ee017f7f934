/* A peer of bench/ring_c.py: DPDK's rte_ring of one producer and one consumer, with events of 64 bytes as its elements,
 * with pointers to events, and without copies ("zc": the caller fills and reads the ring's own memory). */
#include <rte_ring.h>
#include <rte_ring_elem.h>
#include <rte_ring_peek_zc.h>
#include <stdlib.h>
#include <string.h>

#include "ring_c.h"

static struct rte_ring *rings[2];
static event *pool;

static int make(unsigned size) {
    pool = aligned_alloc(64, 2 * SLOTS * sizeof *pool);
    for (int i = 0; i < 2; i++) {
        const size_t bytes = (size_t)rte_ring_get_memsize_elem(size, SLOTS);
        rings[i] = aligned_alloc(128, (bytes + 127) / 128 * 128);
        if (!rings[i] || !pool || rte_ring_init(rings[i], "bench", SLOTS, RING_F_SP_ENQ | RING_F_SC_DEQ)) return 1;
        memset((void *)(rings[i] + 1), 0, bytes - sizeof **rings);
    }
    memset(pool, 0, 2 * SLOTS * sizeof *pool);
    return 0;
}

static int open_events(void) { return make(sizeof(event)); }
static int open_pointers(void) { return make(sizeof(void *)); }

static void close_rings(void) {
    for (int i = 0; i < 2; i++) free(rings[i]);
    free(pool);
}

ALWAYS_INLINE void produce_events(uint64_t n, uint32_t batch) {
    event made[BATCH];
    for (uint64_t id = 0; id < n; id += batch) {
        for (uint32_t i = 0; i < batch; i++) fill(made[i].word, id + i);
        keep(made);
        while (!rte_ring_sp_enqueue_bulk_elem(rings[0], made, sizeof *made, batch, 0)) relax();
    }
}

ALWAYS_INLINE void consume_events(uint64_t n, tally *found, uint32_t batch) {
    tally mine = *found;
    event got[BATCH];
    while (mine.next < n) {
        const uint32_t there = rte_ring_sc_dequeue_burst_elem(rings[0], got, sizeof *got, batch, 0);
        if (!there) relax();
        keep(got);
        for (uint32_t i = 0; i < there; i++) look(&mine, got[i].word);
    }
    *found = mine;
}

/* The pool is twice the ring: what a pointer refers to is not written before it was read. */
ALWAYS_INLINE void produce_pointers(uint64_t n, uint32_t batch) {
    void *made[BATCH];
    for (uint64_t id = 0; id < n; id += batch) {
        for (uint32_t i = 0; i < batch; i++) {
            event *const one = &pool[(id + i) % (2 * SLOTS)];
            fill(one->word, id + i);
            made[i] = one;
        }
        while (!rte_ring_sp_enqueue_bulk(rings[0], made, batch, 0)) relax();
    }
}

ALWAYS_INLINE void consume_pointers(uint64_t n, tally *found, uint32_t batch) {
    tally mine = *found;
    void *got[BATCH];
    while (mine.next < n) {
        const uint32_t there = rte_ring_sc_dequeue_burst(rings[0], got, batch, 0);
        if (!there) relax();
        for (uint32_t i = 0; i < there; i++) look(&mine, ((const event *)got[i])->word);
    }
    *found = mine;
}

ALWAYS_INLINE void produce_zc(uint64_t n, uint32_t batch) {
    for (uint64_t id = 0; id < n; id += batch) {
        struct rte_ring_zc_data at;
        while (!rte_ring_enqueue_zc_bulk_elem_start(rings[0], sizeof(event), batch, &at, 0)) relax();
        event *const first = at.ptr1, *const second = at.ptr2;
        for (uint32_t i = 0; i < batch; i++) fill((i < at.n1 ? &first[i] : &second[i - at.n1])->word, id + i);
        rte_ring_enqueue_zc_elem_finish(rings[0], batch);
    }
}

ALWAYS_INLINE void consume_zc(uint64_t n, tally *found, uint32_t batch) {
    tally mine = *found;
    while (mine.next < n) {
        struct rte_ring_zc_data at;
        const uint32_t there = rte_ring_dequeue_zc_burst_elem_start(rings[0], sizeof(event), batch, &at, 0);
        if (!there) relax();
        const event *const first = at.ptr1, *const second = at.ptr2;
        for (uint32_t i = 0; i < there; i++) look(&mine, (i < at.n1 ? &first[i] : &second[i - at.n1])->word);
        if (there) rte_ring_dequeue_zc_elem_finish(rings[0], there);
    }
    *found = mine;
}

static void event_produce_1(uint64_t n) { produce_events(n, 1); }
static void event_produce_32(uint64_t n) { produce_events(n, BATCH); }
static void pointer_produce_1(uint64_t n) { produce_pointers(n, 1); }
static void pointer_produce_32(uint64_t n) { produce_pointers(n, BATCH); }
static void zc_produce_1(uint64_t n) { produce_zc(n, 1); }
static void zc_produce_32(uint64_t n) { produce_zc(n, BATCH); }
static void event_consume_1(uint64_t n, tally *found) { consume_events(n, found, 1); }
static void event_consume_32(uint64_t n, tally *found) { consume_events(n, found, BATCH); }
static void pointer_consume_1(uint64_t n, tally *found) { consume_pointers(n, found, 1); }
static void pointer_consume_32(uint64_t n, tally *found) { consume_pointers(n, found, BATCH); }
static void zc_consume_1(uint64_t n, tally *found) { consume_zc(n, found, 1); }
static void zc_consume_32(uint64_t n, tally *found) { consume_zc(n, found, BATCH); }

ALWAYS_INLINE void send(int ring, uint64_t id) {
    event made;
    fill(made.word, id);
    while (rte_ring_sp_enqueue_elem(rings[ring], &made, sizeof made)) {
    }
}

ALWAYS_INLINE uint64_t receive(int ring) {
    event got;
    while (rte_ring_sc_dequeue_elem(rings[ring], &got, sizeof got)) {
    }
    keep(&got);
    return got.word[7] - 7;
}

static void ping(uint64_t n, uint64_t *ticks) { ping_by(send, receive, n, ticks); }
static void pong(uint64_t n) { pong_by(send, receive, n); }

const way dpdk_ways[] = {
    {"rte_ring, events", 1, open_events, close_rings, event_produce_1, event_consume_1, ping, pong},
    {"rte_ring, pointers", 1, open_pointers, close_rings, pointer_produce_1, pointer_consume_1, 0, 0},
    {"rte_ring, zc", 1, open_events, close_rings, zc_produce_1, zc_consume_1, 0, 0},
    {"rte_ring, events", BATCH, open_events, close_rings, event_produce_32, event_consume_32, 0, 0},
    {"rte_ring, pointers", BATCH, open_pointers, close_rings, pointer_produce_32, pointer_consume_32, 0, 0},
    {"rte_ring, zc", BATCH, open_events, close_rings, zc_produce_32, zc_consume_32, 0, 0},
    {0, 0, 0, 0, 0, 0, 0, 0},
};
