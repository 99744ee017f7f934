/* Flow of records through the ring: the slow paths of the inline calls, waiting, and Python's one call per batch. */
#include "ring.h"

#include <errno.h>
#include <sched.h>
#include <time.h>

#define SPINS 2000            /* looks before the first sleep: 20 to 60 microseconds */
#define SLEEP_MIN_NS 20000L
#define SLEEP_MAX_NS 500000L

static inline void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

static uint64_t now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

/* The next, longer sleep; 0 when a signal handler ran. */
static long nap(long ns) {
    struct timespec t = {0, ns};
    if (nanosleep(&t, 0) != 0 && errno == EINTR) return 0;
    return ns * 2 > SLEEP_MAX_NS ? SLEEP_MAX_NS : ns * 2;
}

void sm_ring_count(sm_ring *r, uint32_t cause, uint64_t n) {
    if (n == 0 || cause >= SM_RING_CAUSES || r->role != SM_RING_PRODUCER || r->fault == SM_RING_DISOWNED) return;
    _Atomic uint64_t *counter = &r->shared->undelivered[cause];
    /* Only this side writes it, so no read-modify-write is needed. */
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n, memory_order_relaxed);
}

uint64_t sm_ring_sent(const sm_ring *r) {
    uint64_t sum = r->mine;
    for (int i = 0; i < SM_RING_CAUSES; i++) sum += atomic_load_explicit(&r->shared->undelivered[i], memory_order_relaxed);
    return sum;
}

/* Takes the other side's index in; returns the records in the ring. An index that cannot be sets r->fault; a producer
 * then sees a full ring, a reader an empty one. */
uint64_t sm_ring_look(sm_ring *r) {
    int producer = r->role == SM_RING_PRODUCER;
    if (r->fault != SM_RING_OK) return producer ? r->slots : 0;
    uint64_t theirs = atomic_load_explicit(producer ? &r->shared->consumed : &r->shared->written, memory_order_acquire);
    uint64_t inside = producer ? r->mine - theirs : theirs - r->mine;
    uint64_t before = producer ? r->mine - r->theirs : r->theirs - r->mine;
    /* It stays within the ring and never goes back. */
    if (inside > r->slots || (producer ? inside > before : inside < before)) {
        r->fault = SM_RING_CORRUPT;
        r->theirs = producer ? r->mine - r->slots : r->mine;
        return producer ? r->slots : 0;
    }
    r->theirs = theirs;
    return inside;
}

/* Until n slots are free. */
int sm_ring_wait_room(sm_ring *r, uint32_t n, uint64_t timeout_us) {
    if (n > r->slots) n = (uint32_t)r->slots;
    if (r->slots - sm_ring_look(r) >= n) return SM_WAIT_READY;
    if (r->fault) return SM_WAIT_FAULT;
    /* Where the reader was dead a moment ago, ask before spinning: every batch comes here. */
    if (r->reader_gone && !sm_ring_alive(r, SM_RING_READER)) return SM_WAIT_GONE;
    r->reader_gone = 0;
    for (int i = 0; i < SPINS; i++) {
        relax();
        if (r->slots - sm_ring_look(r) >= n) return SM_WAIT_READY;
    }
    uint64_t end = now_us() + timeout_us;
    for (long ns = SLEEP_MIN_NS;;) {
        int alive = sm_ring_alive(r, SM_RING_READER);
        if (r->slots - sm_ring_look(r) >= n) return SM_WAIT_READY; /* looked at after asking: it may have died just then */
        if (r->fault) return SM_WAIT_FAULT;
        if (!alive) {
            r->reader_gone = 1;
            return SM_WAIT_GONE;
        }
        if (now_us() >= end) return SM_WAIT_TIME;
        ns = nap(ns);
        if (ns == 0) return SM_WAIT_SIGNAL;
    }
}

static uint32_t cause_of(int wait) {
    return wait == SM_WAIT_GONE ? SM_CAUSE_READER_GONE : wait == SM_WAIT_SIGNAL ? SM_CAUSE_STOPPED : SM_CAUSE_CORRUPT;
}

uint32_t sm_ring_make_room(sm_ring *r, uint32_t n) {
    uint64_t room = r->slots - sm_ring_look(r);
    if (room >= n) return n;
    uint32_t cause = r->fault ? SM_CAUSE_CORRUPT : SM_CAUSE_FULL;
    if (!r->fault && r->policy == SM_RING_BLOCK) {
        int wait;
        do wait = sm_ring_wait_room(r, n, 1000000);
        while (wait == SM_WAIT_TIME);
        room = r->slots - (r->mine - r->theirs);
        if (room >= n) return n;
        if (wait != SM_WAIT_READY) cause = cause_of(wait);
    }
    sm_ring_count(r, cause, n - room);
    return (uint32_t)room;
}

/* n records into the reserved slots. The number is put in on the way, in a register: a store to a line that a long copy
 * has just written waits for it. */
static inline __attribute__((always_inline)) void copy_sized(sm_ring *r, const uint8_t *from, uint32_t n, uint32_t size) {
    uint8_t *const base = r->base;
    const uint64_t mask = r->slots - 1, start = r->mine;
    for (uint32_t i = 0; i < n; i++, from += size) {
        uint8_t *to = base + ((start + i) & mask) * size;
        const uint64_t seq = start + i;
        memcpy(to, from, offsetof(sm_record, seq));
        memcpy(to + offsetof(sm_record, seq), &seq, sizeof seq);
        memcpy(to + 16, from + 16, 16);
        for (uint32_t k = SM_RECORD_HEADER; k < size; k += 32) memcpy(to + k, from + k, 32);
    }
}

static void copy_numbered(sm_ring *r, const uint8_t *from, uint32_t n) {
    switch (r->slot_size) { /* the usual sizes unrolled */
    case 96: copy_sized(r, from, n, 96); break;
    case 128: copy_sized(r, from, n, 128); break;
    default: copy_sized(r, from, n, r->slot_size);
    }
}

/* Copies n whole records and commits them. Returns how many of them are dealt with, delivered or counted; fewer than n
 * only on a `block` ring, after timeout_us or a signal, so that the caller can look around and come back. */
uint32_t sm_ring_write(sm_ring *r, const void *records, uint32_t n, uint64_t timeout_us) {
    const uint8_t *from = records;
    uint32_t done = 0;
    uint64_t some = r->slots / 4;
    while (done < n) {
        uint32_t want = n - done, granted;
        if (r->fault) {
            sm_ring_count(r, SM_CAUSE_CORRUPT, want);
            return n;
        }
        if (r->policy == SM_RING_BLOCK) {
            if (want > some) want = (uint32_t)some;
            if (r->slots - (r->mine - r->theirs) < want) {
                int wait = sm_ring_wait_room(r, want, timeout_us);
                if (wait == SM_WAIT_TIME || wait == SM_WAIT_SIGNAL) return done;
                if (wait != SM_WAIT_READY) {
                    /* Fill what room is left before giving up, as reserve does. */
                    uint64_t room = r->slots - (r->mine - r->theirs);
                    if (room == 0 || wait == SM_WAIT_FAULT) {
                        sm_ring_count(r, cause_of(wait), n - done);
                        return n;
                    }
                    if (want > room) want = (uint32_t)room;
                }
            }
            granted = want;
        } else {
            if (want > r->slots) want = (uint32_t)r->slots;
            granted = sm_ring_reserve(r, want);
        }
        const uint8_t *source = from + (size_t)done * r->slot_size;
        copy_numbered(r, source, granted);
        if (granted) sm_ring_commit(r, granted);
        done += want;
    }
    return done;
}

/* As sm_ring_commit, numbering the records first; for a producer that filled the slots through NumPy. */
void sm_ring_commit_sequenced(sm_ring *r, uint32_t n) {
    if (r->fault == SM_RING_DISOWNED) return;
    for (uint32_t i = 0; i < n; i++) sm_ring_slot(r, i)->seq = sm_ring_seq(r, i);
    sm_ring_commit(r, n);
}

void sm_ring_give_back(sm_ring *r, uint32_t n) {
    if (r->fault != SM_RING_DISOWNED) sm_ring_release(r, n);
}

/* Gives `release` slots back and looks for the next run: index of its first slot << 32 | slots in it. */
uint64_t sm_ring_next(sm_ring *r, uint32_t release, uint32_t max) {
    const sm_record *first;
    if (release) sm_ring_give_back(r, release);
    uint64_t at = r->mine & (r->slots - 1);
    return at << 32 | sm_ring_peek(r, max, &first);
}

/* Reader: until there is a record, or there will be none. */
int sm_ring_wait(sm_ring *r, uint64_t timeout_us) {
    for (int i = 0; i < SPINS; i++) {
        if (sm_ring_look(r)) return SM_WAIT_READY;
        if (r->fault) return SM_WAIT_FAULT;
        if (timeout_us == 0) break;
        relax();
    }
    uint64_t end = now_us() + timeout_us;
    for (long ns = SLEEP_MIN_NS;;) {
        /* In this order: a producer commits, then says closed, then gives its lock back. */
        int alive = sm_ring_alive(r, SM_RING_PRODUCER);
        uint32_t state = atomic_load_explicit(&r->shared->state, memory_order_acquire);
        if (sm_ring_look(r)) return SM_WAIT_READY;
        if (r->fault) return SM_WAIT_FAULT;
        if (!alive && state == SM_RING_STATE_CLOSED) return SM_WAIT_CLOSED;
        if (!alive && !sm_ring_alive(r, SM_RING_PRODUCER)) return SM_WAIT_GONE; /* asked again: one may have taken over */
        if (now_us() >= end) return SM_WAIT_TIME;
        ns = nap(ns);
        if (ns == 0) return SM_WAIT_SIGNAL;
    }
}
