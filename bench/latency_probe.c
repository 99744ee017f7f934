/* The program of bench/latency.py: events that are due at given times go into a ring and come out of the same or another
 * one; how late is each? In C as a program, and as a library for a reader in Python. Times are ticks of the processor. */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "ring.h"

#define SLOTS 65536
#define EVENT 64

typedef struct {
    uint64_t n, sent, read; /* events there are, and how far the two sides have come */
    double ns_per_tick;
    uint64_t *due, *late, *delay; /* ticks; of each event: when it is due, from then and from when it was sent until it was read */
    sm_ring *feed;
} run;

/* When everything before it is done: otherwise the processor looks at the clock while it still waits for the event. */
static uint64_t ticks_now(void) {
#if defined(__x86_64__)
    __builtin_ia32_lfence();
    return __builtin_ia32_rdtsc();
#else
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
#endif
}

static double calibrate(void) {
    struct timespec a, b;
    const uint64_t ticks = ticks_now();
    clock_gettime(CLOCK_MONOTONIC, &a);
    do clock_gettime(CLOCK_MONOTONIC, &b);
    while ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec) < 5e7);
    return ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / (double)(ticks_now() - ticks);
}

static void pin(int processor) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    if (sched_setaffinity(0, sizeof set, &set)) exit(3);
}

static void fail(const char *error) {
    fprintf(stderr, "%s\n", error);
    exit(3);
}

/* Gaps between events, in nanoseconds, that came from Python: evenly spaced, or those of a Poisson process. */
run *latency_make(const double *gaps, uint64_t n) {
    run *const r = mmap(0, sizeof *r + 3 * n * 8, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (r == MAP_FAILED) fail("no memory");
    *r = (run){.n = n, .ns_per_tick = calibrate()};
    r->due = (uint64_t *)(r + 1);
    r->late = r->due + n;
    r->delay = r->late + n;
    double at = 0;
    for (uint64_t i = 0; i < n; i++) r->due[i] = (uint64_t)((at += gaps[i]) / r->ns_per_tick);
    return r;
}

void latency_feed(run *r, const char *name, uint32_t header, uint64_t layout_hash) {
    char error[SM_RING_ERROR];
    const uint32_t before = header ? SM_RECORD_HEADER : 0;
    if (sm_ring_create(name, SLOTS, before + EVENT, SM_RING_BLOCK, before, layout_hash, 0, &r->feed, error)) fail(error);
}

int latency_has_reader(const run *r) { return sm_ring_alive(r->feed, SM_BYTE_LANES); }

void latency_close(run *r) { sm_ring_free(r->feed); }

/* The first event is due a millisecond from now. */
void latency_start(run *r) {
    const uint64_t begin = ticks_now() + (uint64_t)(1e6 / r->ns_per_tick);
    for (uint64_t i = 0; i < r->n; i++) r->due[i] += begin;
    memset(r->late, 0, 2 * r->n * 8);
    r->sent = r->read = 0;
}

/* Sends what is due, one at a time, and not so much that whoever also reads would hold up the loop. Of an event: its number, when it was sent, and the number that rules look at. */
uint64_t latency_send(run *r) {
    sm_ring *const feed = r->feed;
    for (int most = 256; most && r->sent < r->n; most--) {
        const uint64_t now = ticks_now(), i = r->sent;
        if (now < r->due[i]) break;
        sm_ring_reserve(feed, 1);
        sm_record *const slot = sm_ring_slot(feed, 0);
        uint64_t *const word = (uint64_t *)slot + feed->record_header / 8;
        if (feed->record_header) *slot = (sm_record){.ts_ns = sm_now_ns(), .seq = sm_ring_seq(feed, 0), .cap_len = EVENT, .wire_len = EVENT};
        word[0] = i;
        word[1] = now;
        word[2] = i * 7919 % 100;
        for (int k = 3; k < EVENT / 8; k++) word[k] = 0;
        sm_ring_commit(feed, 1);
        r->sent = i + 1;
    }
    return r->sent;
}

/* Events that the application has in front of it now, `stride` bytes apart. 1: they are not the next ones. */
int latency_read(run *r, const uint8_t *first, uint64_t n, uint64_t stride) {
    const uint64_t now = ticks_now();
    for (uint64_t i = 0; i < n; i++) {
        const uint64_t *const word = (const uint64_t *)(const void *)(first + i * stride);
        if (word[0] != r->read) return 1;
        r->late[r->read] = now - r->due[r->read];
        r->delay[r->read] = now - word[1];
        r->read++;
    }
    return 0;
}

static void take(run *r, sm_ring *from) {
    const sm_record *first;
    const uint32_t got = sm_ring_peek(from, 1024, &first);
    if (!got) return;
    if (latency_read(r, (const uint8_t *)first + from->record_header, got, from->slot_size)) fail("events are lost or out of order");
    sm_ring_release(from, got);
}

static sm_ring *attach(const char *name, int patient) {
    char error[SM_RING_ERROR];
    sm_ring *ring;
    sm_ring_stats stats;
    for (int i = 0; i < 20000; i++) {
        if (!sm_ring_observe(name, &ring, error)) {
            const int found = sm_ring_read_stats(ring, &stats);
            sm_ring_free(ring);
            if (!found && !sm_ring_attach(name, "", SM_RING_SAME_POLICY, SM_RING_SAME_DEADLINE, stats.record_header, 0, &ring, error)) return ring;
        }
        if (!patient) break;
        usleep(1000);
    }
    fail(error);
    return 0;
}

/* Nothing but the clock: how late does a program that only looks at it see that an event is due? */
void latency_spin(run *r) {
    latency_start(r);
    while (r->read < r->n) {
        const uint64_t now = ticks_now();
        for (; r->read < r->n && r->due[r->read] <= now; r->read++) r->late[r->read] = r->delay[r->read] = now - r->due[r->read];
    }
}

/* One hop: this process sends, another one reads. */
static void direct(run *r, const char *name, const int *processors) {
    const pid_t child = fork();
    if (child == 0) {
        sm_ring *const feed = r->feed;
        sm_ring_disown(feed);
        pin(processors[1]);
        sm_ring *const from = attach(name, 0);
        while (r->read < r->n) take(r, from);
        _exit(0);
    }
    pin(processors[0]);
    while (!latency_has_reader(r)) usleep(1000);
    latency_start(r);
    while (latency_send(r) < r->n) {
    }
    int status = 0;
    waitpid(child, &status, 0);
    if (status) exit(4);
}

/* This process sends, another one matches, and this one reads. */
static void through(run *r, const char *out, const int *processors) {
    pin(processors[0]);
    sm_ring *const from = attach(out, 1);
    while (!latency_has_reader(r)) usleep(1000);
    usleep(200000); /* the other one is in its loop */
    latency_start(r);
    while (r->read < r->n) {
        latency_send(r);
        take(r, from);
    }
    sm_ring_free(from);
}

/* The floor of `through`: another process does what the loop does but match. A record of its own for each event, and no
 * rule is looked at. */
static void forward(const run *r, const char *name, const char *out, uint64_t layout_hash, int processor) {
    char error[SM_RING_ERROR];
    sm_ring *to;
    sm_ring_disown(r->feed);
    pin(processor);
    sm_ring *const from = attach(name, 0);
    if (sm_ring_create(out, SLOTS, SM_RECORD_HEADER + EVENT, SM_RING_BLOCK, SM_RECORD_HEADER, layout_hash, 0, &to, error)) fail(error);
    for (uint64_t done = 0; done < r->n;) {
        const sm_record *first;
        const uint32_t got = sm_ring_peek(from, 64, &first);
        if (!got) {
            for (uint32_t at = 0; at < from->slot_size; at += 64) __builtin_prefetch((const uint8_t *)first + at);
            continue;
        }
        sm_ring_reserve(to, got);
        for (uint32_t i = 0; i < got; i++) {
            const uint8_t *const event = (const uint8_t *)first + (uint64_t)i * from->slot_size;
            const uint64_t ts_ns = from->record_header ? ((const sm_record *)(const void *)event)->ts_ns : sm_now_ns();
            sm_record *const slot = sm_ring_slot(to, i);
            *slot = (sm_record){.ts_ns = ts_ns, .seq = sm_ring_seq(to, i), .cap_len = EVENT, .wire_len = EVENT};
            memcpy(slot + 1, event + from->record_header, EVENT);
        }
        sm_ring_commit(to, got);
        sm_ring_release(from, got);
        done += got;
    }
    sm_ring_close(to);
    sm_ring_close(from);
    _exit(0);
}

void latency_report(const run *r) {
    for (uint64_t i = 0; i < r->n; i++) printf("%.0f %.0f\n", (double)r->late[i] * r->ns_per_tick, (double)r->delay[i] * r->ns_per_tick);
}

/* Arguments: spin | direct | through | floor, two processors, ring of events, ring of matches, header, layout's hash, n. Gaps
 * between events on standard input, as doubles; the lateness of each in nanoseconds goes to standard output. */
int main(int argc, char **argv) {
    if (argc != 9) return 2;
    const int processors[] = {atoi(argv[2]), atoi(argv[3])};
    const uint64_t n = strtoull(argv[8], 0, 10);
    double *const gaps = calloc(n, sizeof *gaps);
    if (!gaps || fread(gaps, sizeof *gaps, n, stdin) != n) return 2;
    run *const r = latency_make(gaps, n);
    if (argv[1][0] == 's') {
        pin(processors[0]);
        latency_spin(r);
    } else {
        char error[SM_RING_ERROR];
        latency_feed(r, argv[4], (uint32_t)atoi(argv[6]), strtoull(argv[7], 0, 10));
        if (argv[1][0] == 'd') direct(r, argv[4], processors);
        else {
            const pid_t child = argv[1][0] == 'f' ? fork() : -1;
            if (child == 0) forward(r, argv[4], argv[5], strtoull(argv[7], 0, 10), processors[1]);
            through(r, argv[5], processors);
            int status = 0;
            if (child > 0 && (waitpid(child, &status, 0) < 0 || status)) return 4;
            if (child > 0) sm_ring_unlink(argv[5], 1, error);
        }
        latency_close(r);
        sm_ring_unlink(argv[4], 1, error);
    }
    latency_report(r);
    return 0;
}
