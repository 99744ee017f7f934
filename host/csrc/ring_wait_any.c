/* The sleep of ring_bell.h on several words at a time: futex_waitv(2), Linux 5.16. Each producer follows the protocol of
 * its own lane and knows nothing of the other rings. Elsewhere it is a nap of 20 to 500 microseconds. */
#include "ring_wait_any.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "ring_wait.h"

#ifndef FUTEX_WAITV_MAX /* headers of an older Linux than 5.16 */
#define FUTEX_32 2
struct futex_waitv { uint64_t val, uaddr; uint32_t flags, __reserved; };
#endif
#ifndef SM_ASK_US
#define SM_ASK_US 20000 /* between two looks whether producers live, which are a system call each */
#endif

static int found(sm_ring *const *rings, uint32_t n, uint32_t *which) {
    for (uint32_t k = 1; k <= n; k++) {
        const uint32_t i = (*which + k) % n;
        const int ready = sm_ring_look(rings[i]) != 0;
        if (ready || rings[i]->lanes->fault) {
            *which = i;
            return ready ? SM_WAIT_READY : SM_WAIT_FAULT;
        }
    }
    return SM_WAIT_TIME;
}

/* The end of one ring, or TIME. In the order of sm_ring_wait: a producer commits, says closed, gives its lock back. */
static int ended(sm_ring *const *rings, uint32_t n, uint32_t *which) {
    for (uint32_t i = 0; i < n; i++) {
        sm_ring *const r = rings[i];
        const int alive = sm_ring_alive(r, SM_BYTE_PRODUCER);
        const uint32_t state = atomic_load_explicit(&r->shared->state, memory_order_acquire);
        if (alive || sm_ring_look(r) || r->lanes->fault) continue; /* these are found */
        const int closed = state == SM_RING_STATE_CLOSED;
        if (!closed && sm_ring_alive(r, SM_BYTE_PRODUCER)) continue; /* asked again: one may have taken over */
        *which = i;
        return closed ? SM_WAIT_CLOSED : SM_WAIT_GONE;
    }
    return SM_WAIT_TIME;
}

static int wakes(const sm_ring *r) {
    return !r->lanes->pending && atomic_load_explicit(&r->shared->producer_barrier, memory_order_relaxed);
}

/* 0 when a signal handler ran, -1 where the kernel cannot. */
static int sleep_on(struct futex_waitv *words, uint32_t n, uint64_t us) {
#ifdef SYS_futex_waitv
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    const uint64_t ns = (uint64_t)end.tv_nsec + 1000 * us;
    end.tv_sec += (time_t)(ns / 1000000000u);
    end.tv_nsec = (long)(ns % 1000000000u);
    if (syscall(SYS_futex_waitv, words, n, 0, &end, CLOCK_MONOTONIC) >= 0) return 1;
    return errno == EINTR ? 0 : errno == ENOSYS ? -1 : 1;
#else
    (void)words;
    (void)n;
    (void)us;
    return -1;
#endif
}

/* Until a producer shows a record, at most so long. The next, longer nap where they cannot wake us; 0 when a signal
 * handler ran. */
static long sleep_for_any(sm_ring *const *rings, uint32_t n, uint32_t *which, long nap_ns, uint64_t us) {
    struct futex_waitv words[SM_WAIT_ANY_MAX];
    for (uint32_t i = 0; i < n; i++)
        if (!wakes(rings[i])) return sm_nap(nap_ns);
    for (uint32_t i = 0; i < n; i++)
        atomic_store_explicit(&rings[i]->lanes->shared->reader_wants, rings[i]->lanes->theirs + 1, memory_order_relaxed);
    int slept = -1;
    if (sm_bell_barrier()) {
        for (uint32_t i = 0; i < n; i++) {
            _Atomic uint64_t *const word = &rings[i]->lanes->shared->written;
            const uint64_t seen = atomic_load_explicit(word, memory_order_acquire);
            /* Not private: the word is in another process too. Little endian: the low half comes first. */
            words[i] = (struct futex_waitv){(uint32_t)seen, (uintptr_t)word, FUTEX_32, 0};
        }
        slept = found(rings, n, which) == SM_WAIT_TIME ? sleep_on(words, n, us) : 1;
    }
    for (uint32_t i = 0; i < n; i++)
        atomic_store_explicit(&rings[i]->lanes->shared->reader_wants, 0, memory_order_relaxed);
    return slept < 0 ? sm_nap(nap_ns) : slept ? nap_ns : 0;
}

int sm_ring_wait_any(sm_ring *const *rings, uint32_t n, uint64_t timeout_us, uint32_t *which) {
    int how = SM_WAIT_TIME;
    *which %= n;
    for (uint32_t i = 0; i < SM_SPINS / n + 1; i++) {
        if ((how = found(rings, n, which)) != SM_WAIT_TIME) return how;
        if (timeout_us == 0) break;
        sm_relax();
    }
    const uint64_t end = sm_elapsed_us() + timeout_us;
    for (long ns = SM_SLEEP_MIN_NS;;) {
        if ((how = ended(rings, n, which)) != SM_WAIT_TIME) return how;
        const uint64_t asked = sm_elapsed_us();
        for (uint64_t now = asked; now - asked < SM_ASK_US; now = sm_elapsed_us()) {
            if ((how = found(rings, n, which)) != SM_WAIT_TIME) return how;
            if (now >= end) return SM_WAIT_TIME;
            const uint64_t left = end - now;
            ns = sleep_for_any(rings, n, which, ns, left < SM_ASK_US ? left : SM_ASK_US);
            if ((how = found(rings, n, which)) != SM_WAIT_TIME) return how;
            if (ns == 0) return SM_WAIT_SIGNAL;
        }
    }
}
