/* Two threads wake each other through rings, without spinning, and with slices that are longer than the test: a wake-up
 * that is lost is a wait that ends only when its time is over. First one record there and one back, then a stream that fills its ring.
 * Arguments: name, turns, records of the stream. */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "check.h"
#include "ring.h"

enum { SLOTS = 256, SLOT = 64, PATIENCE_US = 10000000, LOST_US = 9000000 };

static sm_ring *producers[2], *readers[2];
static uint64_t turns, stream;

static uint64_t now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static uint32_t receive(sm_ring *ring, uint32_t most) {
    const sm_record *first;
    const uint64_t begin = now_us();
    uint32_t n;
    while (!(n = sm_ring_peek(ring, most, &first))) CHECK(sm_ring_wait(ring, PATIENCE_US) == SM_WAIT_READY);
    CHECK(now_us() - begin < LOST_US);
    sm_ring_release(ring, n);
    return n;
}

static void send(sm_ring *ring, uint64_t n) {
    static const uint8_t records[SLOTS * SLOT];
    const uint64_t begin = now_us();
    uint64_t done = 0;
    sm_ring_write(ring, records, n, &done, PATIENCE_US);
    CHECK(done == n && now_us() - begin < LOST_US);
}

static void *other(void *unused) {
    (void)unused;
    for (uint64_t i = 0; i < turns; i++) {
        receive(readers[0], 1);
        send(producers[1], 1);
    }
    for (uint64_t received = 0; received < stream;) received += receive(readers[0], 1 + (uint32_t)(received % 7) * 30);
    return 0;
}

int main(int argc, char **argv) {
    CHECK(argc == 4);
    turns = strtoull(argv[2], 0, 10);
    stream = strtoull(argv[3], 0, 10);
    char error[SM_RING_ERROR], name[128];
    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "%s-%d", argv[1], i);
        CHECK(sm_ring_create(name, SLOTS, SLOT, SM_RING_BLOCK, SM_RECORD_HEADER, 0, 0, &producers[i], error) == SM_RING_OK);
        CHECK(sm_ring_attach(name, "", SM_RING_SAME_POLICY, SM_RING_SAME_DEADLINE, SM_RECORD_HEADER, 0, &readers[i], error) == SM_RING_OK);
        CHECK(sm_ring_unlink(name, 1, error) == SM_RING_OK);
    }
    pthread_t thread;
    CHECK(pthread_create(&thread, 0, other, 0) == 0);
    for (uint64_t i = 0; i < turns; i++) {
        send(producers[0], 1);
        receive(readers[1], 1);
    }
    for (uint64_t sent = 0; sent < stream; sent += 100) send(producers[0], 100);
    pthread_join(thread, 0);
    for (int i = 0; i < 2; i++) {
        sm_ring_free(producers[i]);
        sm_ring_free(readers[i]);
    }
    printf("%" PRIu64 " turns\n", turns);
    return 0;
}
