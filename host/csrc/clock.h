/* The clocks: what time it is, and how long something takes. No system call where the kernel has a vDSO. */
#ifndef SM_CLOCK_H
#define SM_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Nanoseconds since 1970, by the clock that arrivals are stamped with. */
static inline uint64_t sm_now_ns(void)
{
    struct timespec t = {0, 0};
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

/* Nanoseconds since some moment, never less than before; and microseconds. */
static inline uint64_t sm_elapsed_ns(void)
{
    struct timespec t = {0, 0};
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

static inline uint64_t sm_elapsed_us(void)
{
    return sm_elapsed_ns() / 1000u;
}

/* Nanoseconds of CLOCK_MONOTONIC as they were at the last tick, up to 10 ms ago: five nanoseconds, not twenty. */
static inline uint64_t sm_tick_ns(void)
{
    struct timespec t = {0, 0};
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

#endif
