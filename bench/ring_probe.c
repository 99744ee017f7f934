/* Round trip of one cache line between two processors, in nanoseconds: says how near they are to each other just now. */
#define _GNU_SOURCE 1
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

enum { TRIPS = 20000, ROUNDS = 5 };
static _Alignas(128) _Atomic uint64_t ball;
static _Atomic int other_pinned;
static int processors[2];

static int pin(int processor) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    return pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

static void *answer(void *unused) {
    (void)unused;
    other_pinned = pin(processors[1]) == 0 ? 1 : -1;
    for (uint64_t i = 0; i < (uint64_t)TRIPS * ROUNDS && other_pinned > 0; i++) {
        while (atomic_load_explicit(&ball, memory_order_acquire) != 2 * i + 1) {
        }
        atomic_store_explicit(&ball, 2 * i + 2, memory_order_release);
    }
    return 0;
}

/* The best round's mean, since another program's turn only ever adds; -1 where a thread cannot be pinned. */
double round_trip_ns(int here, int there) {
    pthread_t thread;
    double best = -1;
    processors[0] = here;
    processors[1] = there;
    ball = 0;
    other_pinned = 0;
    if (pin(here) != 0 || pthread_create(&thread, 0, answer, 0) != 0) return -1;
    while (other_pinned == 0) sched_yield();
    for (int round = 0; round < ROUNDS && other_pinned > 0; round++) {
        struct timespec a, b;
        clock_gettime(CLOCK_MONOTONIC, &a);
        for (uint64_t i = (uint64_t)round * TRIPS; i < (uint64_t)(round + 1) * TRIPS; i++) {
            atomic_store_explicit(&ball, 2 * i + 1, memory_order_release);
            while (atomic_load_explicit(&ball, memory_order_acquire) != 2 * i + 2) {
            }
        }
        clock_gettime(CLOCK_MONOTONIC, &b);
        double ns = ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / TRIPS;
        if (best < 0 || ns < best) best = ns;
    }
    pthread_join(thread, 0);
    return best;
}
