/* Our side of bench/ring_c.py: ring.h as an application in C uses it. */
#include <stdio.h>
#include <unistd.h>

#include "ring.h"
#include "ring_c.h"

static sm_ring *producers[2], *readers[2];
static char names[2][64];

static int open_rings(uint32_t slot_size, uint32_t header) {
    for (int i = 0; i < 2; i++) {
        char error[SM_RING_ERROR];
        snprintf(names[i], sizeof names[i], "bench-ring-c-%d-%d", (int)getpid(), i);
        if (sm_ring_create(names[i], SLOTS, slot_size, SM_RING_BLOCK, header, 0, 0, &producers[i], error) ||
            sm_ring_attach(names[i], "", SM_RING_SAME_POLICY, SM_RING_SAME_DEADLINE, header, 0, &readers[i], error)) {
            fprintf(stderr, "%s\n", error);
            return 1;
        }
    }
    return 0;
}

static int open_bare(void) { return open_rings(64, 0); }
static int open_headed(void) { return open_rings(96, SM_RECORD_HEADER); }

static void close_rings(void) {
    for (int i = 0; i < 2; i++) {
        char error[SM_RING_ERROR];
        sm_ring_free(readers[i]);
        sm_ring_free(producers[i]);
        sm_ring_unlink(names[i], 1, error);
    }
}

/* A header as a producer of records writes it: time, number, rule and generation, sizes. */
ALWAYS_INLINE uint64_t *head(sm_record *slot, uint64_t seq, uint64_t header) {
    uint64_t *const word = (uint64_t *)slot;
    if (!header) return word;
    word[0] = seq + 1;
    word[1] = seq;
    word[2] = 1;
    word[3] = 64 | 64 << 16;
    return word + 4;
}

ALWAYS_INLINE void produce_in_place(uint64_t n, uint32_t batch, uint64_t header) {
    sm_ring *const r = producers[0];
    for (uint64_t id = 0; id < n; id += batch) {
        sm_ring_reserve(r, batch);
        for (uint32_t i = 0; i < batch; i++) fill(head(sm_ring_slot(r, i), sm_ring_seq(r, i), header), id + i);
        sm_ring_commit(r, batch);
    }
}

ALWAYS_INLINE void consume_in_place(uint64_t n, tally *found, uint32_t batch, uint64_t header) {
    sm_ring *const r = readers[0];
    tally mine = *found;
    while (mine.next < n) {
        const sm_record *first;
        const uint32_t run = sm_ring_peek(r, batch, &first);
        if (!run) {
            relax();
            continue;
        }
        for (uint32_t i = 0; i < run; i++) look(&mine, (const uint64_t *)first + (i * (64 + header) + header) / 8);
        sm_ring_release(r, run);
    }
    *found = mine;
}

ALWAYS_INLINE void produce_copied(uint64_t n, uint32_t batch) {
    sm_ring *const r = producers[0];
    event made[BATCH];
    for (uint64_t id = 0; id < n; id += batch) {
        for (uint32_t i = 0; i < batch; i++) fill(made[i].word, id + i);
        keep(made);
        sm_ring_reserve(r, batch);
        for (uint32_t i = 0; i < batch; i++) memcpy(sm_ring_slot(r, i), &made[i], sizeof *made);
        sm_ring_commit(r, batch);
    }
}

ALWAYS_INLINE void consume_copied(uint64_t n, tally *found, uint32_t batch) {
    sm_ring *const r = readers[0];
    tally mine = *found;
    while (mine.next < n) {
        const sm_record *first;
        event got[BATCH];
        const uint32_t run = sm_ring_peek(r, batch, &first);
        if (!run) {
            relax();
            continue;
        }
        memcpy(got, first, run * sizeof *got);
        sm_ring_release(r, run);
        keep(got);
        for (uint32_t i = 0; i < run; i++) look(&mine, got[i].word);
    }
    *found = mine;
}

/* The whole batch by one call, into every lane that is open. */
static void produce_written(uint64_t n) {
    event made[BATCH];
    for (uint64_t id = 0; id < n; id += BATCH) {
        uint64_t done = 0;
        for (uint32_t i = 0; i < BATCH; i++) fill(made[i].word, id + i);
        while (done < BATCH) sm_ring_write(producers[0], made, BATCH, &done, 1000000);
    }
}

static void bare_produce_1(uint64_t n) { produce_in_place(n, 1, 0); }
static void bare_produce_32(uint64_t n) { produce_in_place(n, BATCH, 0); }
static void head_produce_1(uint64_t n) { produce_in_place(n, 1, SM_RECORD_HEADER); }
static void head_produce_32(uint64_t n) { produce_in_place(n, BATCH, SM_RECORD_HEADER); }
static void copy_produce_1(uint64_t n) { produce_copied(n, 1); }
static void copy_produce_32(uint64_t n) { produce_copied(n, BATCH); }
static void bare_consume_1(uint64_t n, tally *found) { consume_in_place(n, found, 1, 0); }
static void bare_consume_32(uint64_t n, tally *found) { consume_in_place(n, found, BATCH, 0); }
static void head_consume_1(uint64_t n, tally *found) { consume_in_place(n, found, 1, SM_RECORD_HEADER); }
static void head_consume_32(uint64_t n, tally *found) { consume_in_place(n, found, BATCH, SM_RECORD_HEADER); }
static void copy_consume_1(uint64_t n, tally *found) { consume_copied(n, found, 1); }
static void copy_consume_32(uint64_t n, tally *found) { consume_copied(n, found, BATCH); }

ALWAYS_INLINE void send(int ring, uint64_t id) {
    sm_ring *const r = producers[ring];
    sm_ring_reserve(r, 1);
    fill((uint64_t *)sm_ring_slot(r, 0), id);
    sm_ring_commit(r, 1);
}

ALWAYS_INLINE uint64_t receive(int ring) {
    sm_ring *const r = readers[ring];
    const sm_record *first;
    while (!sm_ring_peek(r, 1, &first)) {
    }
    const uint64_t id = ((const uint64_t *)first)[7] - 7;
    sm_ring_release(r, 1);
    return id;
}

static void ping(uint64_t n, uint64_t *ticks) { ping_by(send, receive, n, ticks); }
static void pong(uint64_t n) { pong_by(send, receive, n); }

const way sevenm_ways[] = {
    {"sevenm, in place", 1, open_bare, close_rings, bare_produce_1, bare_consume_1, ping, pong},
    {"sevenm, copied", 1, open_bare, close_rings, copy_produce_1, copy_consume_1, 0, 0},
    {"sevenm, record header", 1, open_headed, close_rings, head_produce_1, head_consume_1, 0, 0},
    {"sevenm, in place", BATCH, open_bare, close_rings, bare_produce_32, bare_consume_32, 0, 0},
    {"sevenm, copied", BATCH, open_bare, close_rings, copy_produce_32, copy_consume_32, 0, 0},
    {"sevenm, sm_ring_write", BATCH, open_bare, close_rings, produce_written, bare_consume_32, 0, 0},
    {"sevenm, record header", BATCH, open_headed, close_rings, head_produce_32, head_consume_32, 0, 0},
    {0, 0, 0, 0, 0, 0, 0, 0},
};
