/* Runs under the sanitizers: a producer and reader threads of several lanes over one mapping, so that the thread sanitizer
 * sees every access of both sides, then the life of a ring and damaged indices.
 * Arguments: name, records, policy of the default lane, seed. */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "check.h"
#include "ring.h"

enum { SLOTS = 256, SLOT = 96 };

/* A subscriber, and how it reads: on and on, not at all, or until it dies without having said so. */
typedef struct {
    const char *name;
    uint32_t policy;
    uint64_t deadline_us;
    enum { READS, STOPS, DIES } how;
    uint64_t received, lost;
    sm_ring *holder, ring;
} subscriber;

static subscriber subscribers[] = {
    {.name = ""},
    {.name = "newest", .policy = SM_RING_DROP_NEWEST},
    {.name = "oldest", .policy = SM_RING_DROP_OLDEST},
    {.name = "waits", .policy = SM_RING_BLOCK},
    {.name = "stopped", .policy = SM_RING_BLOCK, .deadline_us = 1000, .how = STOPS},
    {.name = "killed", .policy = SM_RING_BLOCK, .how = DIES},
    {.name = "stopped-oldest", .policy = SM_RING_DROP_OLDEST, .how = STOPS},
};
enum { SUBSCRIBERS = sizeof subscribers / sizeof *subscribers };
static sm_ring *producer;
static uint64_t total;

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
        if (random_below(&state, 2)) {
            uint32_t granted = sm_ring_reserve(producer, n);
            CHECK(granted <= n);
            for (uint32_t i = 0; i < granted; i++) fill(sm_ring_slot(producer, i), sent + i);
            for (uint32_t i = 0; i < granted && !producer->staged; i++)
                sm_ring_slot(producer, i)->seq = sm_ring_seq(producer, i);
            sm_ring_commit(producer, granted);
        } else {
            for (uint32_t i = 0; i < n; i++) fill((sm_record *)(copies + (size_t)i * SLOT), sent + i);
            for (uint64_t done = 0; done < n;) sm_ring_write(producer, copies, n, &done, 1000);
        }
        sent += n;
    }
    sm_ring_close(producer);
    return 0;
}

/* Numbered without a gap, but for what was lost; whole; and never from before. */
static void look_at(subscriber *s, const sm_record *first, uint32_t n, uint64_t *newest) {
    for (uint32_t i = 0; i < n; i++) {
        const sm_record *record = (const sm_record *)((const uint8_t *)first + (size_t)i * SLOT);
        const uint64_t event = record->ts_ns / 3;
        CHECK(record->seq == s->received + s->lost + i);
        CHECK(record->ts_ns % 3 == 0 && event < total && (event > *newest || (event == 0 && *newest == 0)));
        CHECK(*((const uint8_t *)record + SLOT - 1) == (uint8_t)event);
        *newest = event;
        sm_histogram_age(s->ring.latency, UINT64_MAX, record->ts_ns);
    }
}

static void *consume(void *it) {
    subscriber *const s = it;
    uint64_t state = (uint64_t)(s - subscribers + 1) * 77777, newest = 0;
    static _Thread_local uint8_t copies[SLOTS * SLOT];
    for (;;) {
        const sm_record *first;
        uint32_t n, skip = 0;
        const uint32_t most = 1 + random_below(&state, SLOTS);
        if (s->how == DIES && s->received > total / 4) {
            sm_ring_abandon(s->holder);
            return 0;
        }
        if (s->ring.lanes->policy == SM_RING_DROP_OLDEST) {
            n = sm_ring_take(&s->ring, copies, most, &skip);
            s->lost = atomic_load(&s->ring.lanes->shared->lost);
            first = (const sm_record *)(const void *)(copies + (size_t)skip * SLOT);
            look_at(s, first, n, &newest);
        } else {
            n = sm_ring_peek(&s->ring, most, &first);
            look_at(s, first, n, &newest);
            sm_ring_release(&s->ring, n);
        }
        s->received += n;
        if (s->ring.lanes->policy == SM_RING_DROP_OLDEST && random_below(&state, 16) == 0)
            nanosleep(&(struct timespec){0, 50000}, 0); /* it is lapped, again and again */
        if (n == 0) {
            int found = sm_ring_wait(&s->ring, 1000);
            if (found == SM_WAIT_CLOSED) return 0;
            CHECK(found == SM_WAIT_READY || found == SM_WAIT_TIME);
        }
    }
}

/* What this side measured, as others see it: every record once. */
static uint64_t measured(const sm_ring *observer, uint32_t which) {
    static sm_histogram histogram;
    CHECK(sm_ring_read_latency(observer, which, &histogram));
    uint64_t sum = atomic_load(&histogram.unknown) + atomic_load(&histogram.early);
    for (int i = 0; i < SM_HISTOGRAM_COUNTS; i++) sum += atomic_load(&histogram.counts[i]);
    return sum;
}

/* What was offered to each lane is delivered or counted, and what was delivered is read, lost or still there. */
static void settle(const sm_ring *observer, uint32_t policy) {
    sm_ring_stats stats;
    CHECK(sm_ring_read_stats(observer, &stats) == SM_RING_OK && stats.corrupt == 0);
    for (int i = 0; i < SUBSCRIBERS; i++) {
        const subscriber *const s = &subscribers[i];
        const sm_lane_stats *const lane = &stats.lanes[i];
        uint64_t sum = lane->delivered;
        for (int k = 0; k < SM_RING_CAUSES; k++) sum += lane->undelivered[k];
        CHECK(strcmp(lane->name, s->name) == 0 && sum == total);
        CHECK(lane->consumed == s->received + lane->lost);
        CHECK(measured(observer, 1 + (uint32_t)i) == s->received);
        if (s->how == READS) CHECK(lane->consumed == lane->delivered);
        if (s->how == READS && (i ? s->policy : policy) != SM_RING_DROP_NEWEST) CHECK(lane->delivered == total);
    }
    CHECK(stats.measured == (1u << (1 + SUBSCRIBERS)) - 1 && measured(observer, 0) == total && stats.beat_ns > 0);
    CHECK(stats.lanes[4].delivered == SLOTS && stats.lanes[4].undelivered[SM_CAUSE_TIMEOUT] == total - SLOTS);
    CHECK(stats.lanes[5].undelivered[SM_CAUSE_READER_GONE] > 0);
    CHECK(stats.lanes[6].delivered == total && stats.lanes[6].lost == total - SLOTS);
}

/* Every index of two lanes is damaged by turns, and what is made of it is never out of bounds. */
static void damage(const char *name, uint64_t state) {
    char error[SM_RING_ERROR];
    static uint8_t copies[SLOTS * SLOT];
    for (uint64_t i = 0; i < 400; i++) {
        sm_ring *next, *readers[2];
        const uint32_t policy = (uint32_t)(i / 8 % SM_RING_POLICIES);
        CHECK(sm_ring_create(name, SLOTS, SLOT, policy, SM_RECORD_HEADER, 0, 0, &next, error) == SM_RING_OK);
        for (int k = 0; k < 2; k++)
            CHECK(sm_ring_attach(name, k ? "other" : "", k ? policy : SM_RING_SAME_POLICY, k ? 1000 : SM_RING_SAME_DEADLINE, SM_RECORD_HEADER, 0,
                                 &readers[k], error) == SM_RING_OK);
        for (int round = 0; round < 3; round++) {
            uint32_t granted = policy == SM_RING_BLOCK && round ? 0 : sm_ring_reserve(next, random_below(&state, SLOTS + 1));
            for (uint32_t k = 0; k < granted; k++) fill(sm_ring_slot(next, k), k);
            sm_ring_commit(next, granted);
            uint64_t done = 0;
            sm_ring_write(next, copies, SLOTS, &done, 0);
            if (done < SLOTS) sm_ring_give_up(next, SM_CAUSE_STOPPED, SLOTS - done);
            const uint64_t wild = random_below(&state, 2) ? state * UINT64_C(0x9E3779B97F4A7C15) : state % 1000;
            sm_lane_block *const block = next->lanes[i & 1].shared;
            if (i / 2 % 6 == 0) atomic_store(&block->written, wild);
            if (i / 2 % 6 == 1) atomic_store(&block->consumed, wild);
            if (i / 2 % 6 == 2) atomic_store(&block->floor, wild);
            if (i / 2 % 6 == 3) atomic_store(&block->policy, (uint32_t)wild);
            if (i / 2 % 6 == 4) atomic_store(&block->state, (uint32_t)wild);
            if (i / 2 % 6 == 5) atomic_store(&block->epoch, wild);
            atomic_fetch_add(&next->shared->roll, 1);
            for (int k = 0; k < 2; k++) {
                const sm_record *first;
                uint32_t at = 0, run = sm_ring_peek(readers[k], SLOTS, &first);
                uint64_t sum = 0;
                CHECK(run <= SLOTS);
                for (uint32_t m = 0; m < run; m++) sum += first[(size_t)m * SLOT / sizeof *first].seq;
                if (run) sm_ring_release(readers[k], run);
                run = readers[k]->lanes->policy == SM_RING_DROP_OLDEST ? sm_ring_take(readers[k], copies, SLOTS, &at) : 0;
                CHECK(at + run <= SLOTS);
                copies[0] = (uint8_t)sum;
            }
            sm_ring_stats stats;
            sm_ring_read_stats(next, &stats);
        }
        for (int k = 0; k < 2; k++) sm_ring_free(readers[k]);
        sm_ring_free(next);
        CHECK(sm_ring_unlink(name, 0, error) == SM_RING_OK);
    }
}

int main(int argc, char **argv) {
    CHECK(argc == 5);
    const char *name = argv[1];
    total = strtoull(argv[2], 0, 10);
    uint32_t policy = (uint32_t)atoi(argv[3]);
    uintptr_t seed = strtoull(argv[4], 0, 10);
    char error[SM_RING_ERROR];
    sm_ring *holder, *other, *observer;
    pthread_t writing, threads[SUBSCRIBERS];
    CHECK(sm_ring_create(name, SLOTS, SLOT, policy, SM_RECORD_HEADER, 0, 0, &producer, error) == SM_RING_OK);
    CHECK(sm_ring_observe(name, &observer, error) == SM_RING_OK);
    CHECK(sm_ring_measure(producer, error) == SM_RING_OK);
    for (int i = 0; i < SUBSCRIBERS; i++) {
        subscriber *const s = &subscribers[i];
        CHECK(sm_ring_attach(name, s->name, i ? s->policy : SM_RING_SAME_POLICY, i ? s->deadline_us : SM_RING_SAME_DEADLINE, SM_RECORD_HEADER,
                             0, &s->holder, error) == SM_RING_OK);
        CHECK(sm_ring_attach(name, s->name, SM_RING_SAME_POLICY, SM_RING_SAME_DEADLINE, SM_RECORD_HEADER, 0, &other, error) == SM_RING_TAKEN);
        CHECK(sm_ring_measure(s->holder, error) == SM_RING_OK);
        /* The same mapping for all, which is what the thread sanitizer can follow. */
        s->ring = *s->holder;
        s->ring.shared = producer->shared;
        s->ring.lanes->shared = producer->lanes[i].shared;
        s->ring.lanes->base = producer->lanes[i].base;
    }
    CHECK(pthread_create(&writing, 0, produce, (void *)(seed | 1)) == 0);
    for (int i = 0; i < SUBSCRIBERS; i++)
        if (subscribers[i].how != STOPS) CHECK(pthread_create(&threads[i], 0, consume, &subscribers[i]) == 0);
    for (int i = 0; i < 200; i++) {
        sm_ring_stats stats;
        CHECK(sm_ring_read_stats(observer, &stats) == SM_RING_OK && stats.corrupt == 0);
        CHECK(measured(observer, 0) <= total);
    }
    pthread_join(writing, 0);
    for (int i = 0; i < SUBSCRIBERS; i++)
        if (subscribers[i].how != STOPS) pthread_join(threads[i], 0);
    settle(observer, policy);
    const uint64_t delivered = producer->lanes->mine;
    for (int i = 1; i < SUBSCRIBERS; i++) {
        sm_ring_close(subscribers[i].holder);
        sm_ring_free(subscribers[i].holder);
    }
    sm_ring_free(observer);
    holder = subscribers->holder;
    sm_ring_free(holder);
    sm_ring_free(producer);
    CHECK(sm_ring_unlink(name, 0, error) == SM_RING_OK);
    damage(name, seed | 1);
    printf("%" PRIu64 " of %" PRIu64 " delivered and received\n", delivered, total);
    return 0;
}
