/* The program of bench/ring_c.py: two threads, each pinned to a processor, all ways by turns.
 * Arguments: processors of the two, events, rounds, trips. Prints one line a sample: round, rate or trip, way, batch,
 * pauses, nanoseconds (an event, or p50 and p99 of a round trip), round trip of a bare line before and after. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "ring_c.h"

double round_trip_ns(int here, int there); /* ring_probe.c */

uint32_t pauses;
static int processors[2];
static _Atomic int ready;
static const way *present;
static uint64_t events, trips;
static double ns_per_tick;
static const uint32_t patience[] = {1, 32};

static void pin(int processor) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    if (pthread_setaffinity_np(pthread_self(), sizeof set, &set)) exit(3);
}

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void meet(void) {
    atomic_fetch_add(&ready, 1);
    while (atomic_load(&ready) < 2) sched_yield();
}

static void *produce(void *unused) {
    (void)unused;
    pin(processors[1]);
    meet();
    present->produce(events);
    return 0;
}

static void *answer(void *unused) {
    (void)unused;
    pin(processors[1]);
    meet();
    present->pong(trips);
    return 0;
}

static pthread_t start(void *(*what)(void *)) {
    pthread_t thread;
    ready = 0;
    if (pthread_create(&thread, 0, what, 0)) exit(3);
    meet();
    return thread;
}

/* Nanoseconds an event. */
static double rate(void) {
    tally found = {0, 0, 0};
    const pthread_t thread = start(produce);
    const uint64_t begin = now_ns();
    present->consume(events, &found);
    const uint64_t end = now_ns();
    pthread_join(thread, 0);
    if (found.wrong || found.next != events || found.sum != events * (events - 1) / 2 + 7 * events) {
        fprintf(stderr, "%s, %u: events are out of order or not what was sent\n", present->name, present->batch);
        exit(4);
    }
    return (double)(end - begin) / (double)events;
}

static int ascending(const void *a, const void *b) {
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* p50 and p99 of a round trip, after a tenth of them for warming up. */
static void trip(uint64_t *ticks, double *p50, double *p99) {
    const pthread_t thread = start(answer);
    present->ping(trips, ticks);
    pthread_join(thread, 0);
    const uint64_t first = trips / 10, n = trips - first;
    qsort(ticks + first, n, sizeof *ticks, ascending);
    *p50 = (double)ticks[first + n / 2] * ns_per_tick;
    *p99 = (double)ticks[first + n * 99 / 100] * ns_per_tick;
}

/* The least that a round trip can be: one line, there and back. */
static _Alignas(128) _Atomic uint64_t ball;

static int line_open(void) {
    ball = 0;
    return 0;
}

static void line_close(void) {}

static void line_ping(uint64_t n, uint64_t *ticks) {
    for (uint64_t i = 0; i < n; i++) {
        const uint64_t begin = ticks_now();
        atomic_store_explicit(&ball, 2 * i + 1, memory_order_release);
        while (atomic_load_explicit(&ball, memory_order_acquire) != 2 * i + 2) {
        }
        ticks[i] = ticks_now() - begin;
    }
}

static void line_pong(uint64_t n) {
    for (uint64_t i = 0; i < n; i++) {
        while (atomic_load_explicit(&ball, memory_order_acquire) != 2 * i + 1) {
        }
        atomic_store_explicit(&ball, 2 * i + 2, memory_order_release);
    }
}

static const way line_ways[] = {{"bare line", 1, line_open, line_close, 0, 0, line_ping, line_pong}, {0, 0, 0, 0, 0, 0, 0, 0}};

static void calibrate(void) {
    const uint64_t ns = now_ns(), ticks = ticks_now();
    while (now_ns() - ns < 50000000) {
    }
    ns_per_tick = (double)(now_ns() - ns) / (double)(ticks_now() - ticks);
}

/* One line of what is printed: the round trips if there is room for their ticks, otherwise the rate. */
static void sample(int round, uint64_t *ticks) {
    double p50 = 0, p99 = 0;
    const double before = round_trip_ns(processors[0], processors[1]);
    pin(processors[0]);
    if (present->open()) exit(3);
    if (ticks) trip(ticks, &p50, &p99);
    else p50 = rate();
    present->close();
    const double after = round_trip_ns(processors[0], processors[1]);
    printf("%d|%s|%s|%u|%u|%f|%f|%f|%f\n", round, ticks ? "trip" : "rate", present->name, present->batch, pauses, p50, p99, before, after);
}

int main(int argc, char **argv) {
    if (argc != 6) return 2;
    const way *const lists[] = {
        line_ways,
        sevenm_ways,
#ifdef WITH_BOOST
        boost_ways,
#endif
#ifdef WITH_DPDK
        dpdk_ways,
#endif
    };
    const way *all[64];
    int n = 0;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        for (const way *w = lists[i]; w->name; w++) all[n++] = w;
    processors[0] = atoi(argv[1]);
    processors[1] = atoi(argv[2]);
    events = strtoull(argv[3], 0, 10) / BATCH * BATCH;
    trips = strtoull(argv[5], 0, 10);
    uint64_t *const ticks = calloc(trips, sizeof *ticks);
    if (!ticks) return 3;
    calibrate();
    for (int round = 0; round < atoi(argv[4]); round++)
        for (int i = 0; i < n; i++) {
            present = all[(i + round) % n];
            for (uint32_t k = 0; k < sizeof patience / sizeof *patience && present->produce; k++) {
                pauses = patience[k];
                sample(round, 0);
            }
            if (present->ping) sample(round, ticks);
        }
    return 0;
}
