/* One thread sleeps on several rings at a time, and a thread for each of them wakes it, without spinning and with slices that
 * are longer than the test: a wake-up that is lost is a wait that ends only when its time is over.
 * Arguments: name, rings, records of each. */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "check.h"
#include "ring.h"
#include "ring_wait_any.h"

enum { SLOTS = 256, SLOT = 64, PATIENCE_US = 10000000, LOST_US = 9000000 };

static sm_ring *producers[SM_WAIT_ANY_MAX], *readers[SM_WAIT_ANY_MAX];
static uint64_t rings, total;

static uint64_t now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

/* Bursts of a few records and then a rest, so that the reader falls asleep again and again. */
static void *produce(void *number) {
    const uint64_t which = (uint64_t)(uintptr_t)number;
    static const uint8_t records[SLOTS * SLOT];
    for (uint64_t sent = 0; sent < total;) {
        uint64_t n = 1 + (sent + which) % 5, done = 0;
        if (n > total - sent) n = total - sent;
        sm_ring_write(producers[which], records, n, &done, PATIENCE_US);
        CHECK(done == n);
        sent += n;
        if ((sent + which) % 3 == 0) nanosleep(&(struct timespec){0, 20000 * (long)(1 + which)}, 0);
    }
    sm_ring_close(producers[which]);
    return 0;
}

int main(int argc, char **argv) {
    CHECK(argc == 4);
    rings = strtoull(argv[2], 0, 10);
    total = strtoull(argv[3], 0, 10);
    CHECK(rings >= 1 && rings <= SM_WAIT_ANY_MAX);
    char error[SM_RING_ERROR], name[128];
    uint64_t received[SM_WAIT_ANY_MAX] = {0}, sum = 0;
    sm_ring *open[SM_WAIT_ANY_MAX];
    uint32_t n = (uint32_t)rings, which = 0;
    int over = 0;
    pthread_t threads[SM_WAIT_ANY_MAX];
    for (uint64_t i = 0; i < rings; i++) {
        snprintf(name, sizeof name, "%s-%" PRIu64, argv[1], i);
        CHECK(sm_ring_create(name, SLOTS, SLOT, SM_RING_BLOCK, SM_RECORD_HEADER, 0, 0, &producers[i], error) == SM_RING_OK);
        CHECK(sm_ring_attach(name, "", SM_RING_SAME_POLICY, SM_RING_SAME_DEADLINE, SM_RECORD_HEADER, 0, &readers[i], error) == SM_RING_OK);
        CHECK(sm_ring_unlink(name, 1, error) == SM_RING_OK);
        open[i] = readers[i];
    }
    CHECK(sm_ring_wait_any(open, n, 1000, &which) == SM_WAIT_TIME);
    for (uint64_t i = 0; i < rings; i++)
        CHECK(pthread_create(&threads[i], 0, produce, (void *)(uintptr_t)i) == 0);
    while (n) {
        for (uint64_t i = 0; sum == rings * total && !over && i < rings; i++) CHECK(pthread_join(threads[i], 0) == 0);
        over = sum == rings * total; /* who sleeps is not woken by an end: it is seen before, or after SM_ASK_US */
        const uint64_t begin = now_us();
        const int found = sm_ring_wait_any(open, n, PATIENCE_US, &which);
        CHECK(now_us() - begin < LOST_US && which < n);
        if (found == SM_WAIT_CLOSED) {
            for (uint64_t i = 0; i < rings; i++) CHECK(readers[i] != open[which] || received[i] == total);
            open[which] = open[--n];
            continue;
        }
        CHECK(found == SM_WAIT_READY);
        const sm_record *first;
        const uint32_t here = sm_ring_peek(open[which], SLOTS, &first);
        CHECK(here > 0);
        sm_ring_release(open[which], here);
        for (uint64_t i = 0; i < rings; i++) received[i] += readers[i] == open[which] ? here : 0;
        sum += here;
    }
    for (uint64_t i = 0; i < rings; i++) {
        sm_ring_free(producers[i]);
        sm_ring_free(readers[i]);
    }
    printf("%" PRIu64 " records of %" PRIu64 " rings\n", sum, rings);
    return 0;
}
