/* What the ways of bench/ring_c.py share: the event, what is checked of it, and the list of ways. C11 and C++17. */
#ifndef RING_C_H
#define RING_C_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SLOTS 1024 /* of each ring: 64 KiB of events */
#define BATCH 32
#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* One line of the cache. All of it is written, and the first and last word are looked at. */
typedef struct {
    uint64_t word[8];
} __attribute__((aligned(64))) event;

typedef struct {
    uint64_t next, sum, wrong;
} tally;

/* One way from one thread to the other. Rings 0 and 1 are made by open, for events there and back. */
typedef struct {
    const char *name;
    uint32_t batch;
    int (*open)(void);            /* 0: made */
    void (*close)(void);
    void (*produce)(uint64_t n);
    void (*consume)(uint64_t n, tally *found);
    void (*ping)(uint64_t n, uint64_t *ticks); /* null: its round trip is another way's */
    void (*pong)(uint64_t n);
} way;

extern const way sevenm_ways[], boost_ways[], dpdk_ways[]; /* the last one's name is null */

ALWAYS_INLINE void fill(uint64_t *word, uint64_t id) {
    for (uint64_t k = 0; k < 8; k++) word[k] = id + k;
}

ALWAYS_INLINE void look(tally *found, const uint64_t *word) {
    found->wrong |= word[0] ^ found->next++;
    found->sum += word[7];
}

/* The compiler takes all of *what as read and written: a copy is made in full. */
ALWAYS_INLINE void keep(void *what) { __asm__ volatile("" : : "r"(what) : "memory"); }

extern uint32_t pauses; /* of who finds a ring empty or full, before it looks again */

ALWAYS_INLINE void relax(void) {
#if defined(__x86_64__)
    for (uint32_t i = 0; i < pauses; i++) __builtin_ia32_pause();
#endif
}

/* When everything before it is done. */
ALWAYS_INLINE uint64_t ticks_now(void) {
#if defined(__x86_64__)
    __builtin_ia32_lfence();
    return __builtin_ia32_rdtsc();
#else
    uint64_t ticks;
    __asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
#endif
}

/* Round trips: of `send` and `receive` copies are made for each way, without a call. */
ALWAYS_INLINE void ping_by(void (*send)(int, uint64_t), uint64_t (*receive)(int), uint64_t n, uint64_t *ticks) {
    for (uint64_t i = 0; i < n; i++) {
        const uint64_t start = ticks_now();
        send(0, i);
        if (receive(1) != i) __builtin_trap();
        ticks[i] = ticks_now() - start;
    }
}

ALWAYS_INLINE void pong_by(void (*send)(int, uint64_t), uint64_t (*receive)(int), uint64_t n) {
    for (uint64_t i = 0; i < n; i++) send(1, receive(0));
}

#ifdef __cplusplus
}
#endif

#endif
