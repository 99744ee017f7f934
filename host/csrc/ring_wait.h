/* How either side of a ring waits, and what its files share without showing it to others. */
#ifndef SM_RING_WAIT_H
#define SM_RING_WAIT_H

#include <errno.h>
#include <time.h>

#include "clock.h"
#include "ring_bell.h"

#if defined(__x86_64__) && !defined(SM_PORTABLE)
#define SM_WIDE __attribute__((target("avx2,bmi"))) /* a copy of a function for processors that sm_wide says have these */
static inline int sm_wide(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi"); }
#endif

#define SM_TURN_US 1000 /* a look at one lane, where several are waited for */
#ifndef SM_SPINS
#define SM_SPINS 2000 /* looks before the first sleep: 20 to 60 microseconds */
#endif
#define SM_SLEEP_MIN_NS 20000L
#define SM_SLEEP_MAX_NS 500000L

static inline void sm_relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

/* The next, longer sleep; 0 when a signal handler ran. */
static inline long sm_nap(long ns) {
    struct timespec t = {0, ns};
    if (nanosleep(&t, 0) != 0 && errno == EINTR) return 0;
    return ns * 2 > SM_SLEEP_MAX_NS ? SM_SLEEP_MAX_NS : ns * 2;
}

/* n records into free slots of a lane, numbered on the way; not committed. */
void sm_lane_copy(const sm_ring *r, sm_lane *lane, const uint8_t *from, uint64_t n);

/* Producer: the reader's index as it goes on from it; SM_RING_CORRUPT if it does not fit the ring. */
int sm_lane_adopt(const sm_ring *r, sm_lane *lane);

/* Reader: takes the producer's index in, and goes on from its floor if that is later. Returns the records in the lane. An
 * index that cannot be is a fault, and the lane looks empty. */
uint64_t sm_lane_catch_up(const sm_ring *r, sm_lane *lane);

/* Reader: what lies before `to` is lost. */
void sm_lane_skip(sm_lane *lane, uint64_t to);

#endif
