/* Runs under the sanitizers: a producer and a reader thread over one mapping, so that the thread sanitizer sees every
 * access of both sides, then the life of a ring and damaged indices. Arguments: name, records, policy, seed. */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "ring.h"

#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            exit(2); \
        } \
    } while (0)

enum { SLOTS = 256, SLOT = 96 };

static sm_ring *producer, reader;
static uint64_t total, delivered, received;

static uint32_t random_below(uint64_t *state, uint32_t n) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (uint32_t)(*state % n);
}

static void fill(sm_record *record, uint64_t seq) {
    memset(record, 0, SLOT);
    record->seq = seq;
    record->ts_ns = seq * 3;
    *((uint8_t *)record + SLOT - 1) = (uint8_t)seq;
}

static void *produce(void *seed) {
    uint64_t state = (uint64_t)(uintptr_t)seed;
    static uint8_t copies[SLOTS * SLOT];
    for (uint64_t sent = 0; sent < total;) {
        uint32_t n = 1 + random_below(&state, SLOTS);
        if (n > total - sent) n = (uint32_t)(total - sent);
        uint64_t before = producer->mine;
        if (random_below(&state, 2)) {
            uint32_t granted = sm_ring_reserve(producer, n);
            CHECK(granted <= n);
            for (uint32_t i = 0; i < granted; i++) fill(sm_ring_slot(producer, i), sm_ring_seq(producer, i));
            sm_ring_commit(producer, granted);
        } else {
            /* On a drop ring the numbers are known only inside; all but seq and what follows from it is zero there. */
            for (uint32_t i = 0; i < n; i++) fill((sm_record *)(copies + (size_t)i * SLOT), before + i);
            uint32_t done = 0;
            while (done < n) {
                uint32_t more = sm_ring_write(producer, copies + (size_t)done * SLOT, n - done, 1000);
                done += more;
            }
        }
        delivered += producer->mine - before;
        sent += n;
        CHECK(sm_ring_sent(producer) == sent);
    }
    sm_ring_close(producer);
    return 0;
}

static void *consume(void *seed) {
    uint64_t state = (uint64_t)(uintptr_t)seed * 77 + 1;
    for (;;) {
        const sm_record *first;
        uint32_t n = sm_ring_peek(&reader, 1 + random_below(&state, SLOTS), &first);
        for (uint32_t i = 0; i < n; i++) {
            const sm_record *record = (const sm_record *)((const uint8_t *)first + (size_t)i * SLOT);
            CHECK(record->seq == received + i);
            CHECK(record->ts_ns == record->seq * 3);
            CHECK(*((const uint8_t *)record + SLOT - 1) == (uint8_t)record->seq);
        }
        received += n;
        sm_ring_release(&reader, n);
        if (n == 0) {
            int found = sm_ring_wait(&reader, 1000);
            if (found == SM_WAIT_CLOSED) return 0;
            CHECK(found == SM_WAIT_READY || found == SM_WAIT_TIME);
        }
    }
}

int main(int argc, char **argv) {
    CHECK(argc == 5);
    const char *name = argv[1];
    total = strtoull(argv[2], 0, 10);
    uint32_t policy = (uint32_t)atoi(argv[3]);
    uintptr_t seed = strtoull(argv[4], 0, 10);
    char error[SM_RING_ERROR];
    sm_ring *holder, *other;
    CHECK(sm_ring_create(name, SLOTS, SLOT, policy, 0, 0, &producer, error) == SM_RING_OK);
    CHECK(sm_ring_attach(name, 0, &holder, error) == SM_RING_OK);
    CHECK(sm_ring_attach(name, 0, &other, error) == SM_RING_TAKEN);
    /* The same mapping for both, which is what the thread sanitizer can follow. */
    reader = *holder;
    reader.shared = producer->shared;
    reader.base = producer->base;
    pthread_t threads[2];
    CHECK(pthread_create(&threads[0], 0, produce, (void *)(seed | 1)) == 0);
    CHECK(pthread_create(&threads[1], 0, consume, (void *)(seed | 1)) == 0);
    for (int i = 0; i < 200; i++) {
        sm_ring_stats stats;
        CHECK(sm_ring_read_stats(holder, &stats) == SM_RING_OK);
    }
    pthread_join(threads[0], 0);
    pthread_join(threads[1], 0);
    CHECK(received == delivered);
    if (policy == SM_RING_BLOCK) CHECK(delivered == total);

    /* Taken over, damaged in every index by turns, and never out of bounds. */
    sm_ring_free(producer);
    for (uint64_t state = seed | 1, i = 0; i < 300; i++) {
        sm_ring *next;
        int code = sm_ring_create(name, SLOTS, SLOT, SM_RING_DROP, 0, 0, &next, error);
        if (code == SM_RING_CORRUPT) {
            CHECK(sm_ring_unlink(name, 1, error) == SM_RING_OK);
            sm_ring_free(holder);
            CHECK(sm_ring_create(name, SLOTS, SLOT, SM_RING_DROP, 0, 0, &next, error) == SM_RING_OK);
            CHECK(sm_ring_attach(name, 0, &holder, error) == SM_RING_OK);
            code = SM_RING_OK;
        }
        CHECK(code == SM_RING_OK);
        uint32_t granted = sm_ring_reserve(next, random_below(&state, SLOTS + 1));
        for (uint32_t k = 0; k < granted; k++) fill(sm_ring_slot(next, k), sm_ring_seq(next, k));
        sm_ring_commit(next, granted);
        uint64_t wild = state * UINT64_C(0x9E3779B97F4A7C15);
        if (i % 3 == 0) atomic_store(&next->shared->written, wild);
        if (i % 3 == 1) atomic_store(&next->shared->consumed, wild);
        const sm_record *first;
        uint64_t sum = 0;
        uint32_t run = sm_ring_peek(holder, SLOTS, &first);
        CHECK(run <= SLOTS);
        for (uint32_t k = 0; k < run; k++) sum += first[(size_t)k * SLOT / sizeof *first].seq;
        if (run) sm_ring_release(holder, run);
        granted = sm_ring_reserve(next, SLOTS);
        CHECK(granted <= SLOTS);
        for (uint32_t k = 0; k < granted; k++) fill(sm_ring_slot(next, k), sum + k);
        sm_ring_free(next);
    }
    sm_ring_free(holder);
    CHECK(sm_ring_unlink(name, 0, error) == SM_RING_OK);
    printf("%" PRIu64 " of %" PRIu64 " delivered and received\n", delivered, total);
    return 0;
}
