/* How long an idle reader takes to notice: a process sleeps, another shows it the time, and it looks at the clock.
 * Arguments: name of a ring, wakes, microseconds between them. Prints nanoseconds, one line for each way and wake. */
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ring.h"

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void report(const char *way, const uint64_t *ns, int n) {
    for (int i = 0; i < n; i++) printf("%s %llu\n", way, (unsigned long long)ns[i]);
    fflush(stdout);
    _exit(0);
}

/* The least that two processes can do: one word, the kernel's wait and wake. */
static void bare(int n, useconds_t between) {
    _Atomic uint32_t *turn = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    _Atomic uint64_t *said = (_Atomic uint64_t *)(turn + 64);
    if (fork() == 0) {
        uint64_t *ns = calloc((size_t)n, sizeof *ns);
        for (uint32_t i = 0; i < (uint32_t)n; i++) {
            while (atomic_load(turn) == i) syscall(SYS_futex, turn, FUTEX_WAIT, i, 0, 0, 0);
            ns[i] = now() - atomic_load(said);
        }
        report("futex", ns, n);
    }
    for (int i = 0; i < n; i++) {
        usleep(between);
        atomic_store(said, now());
        atomic_fetch_add(turn, 1);
        syscall(SYS_futex, turn, FUTEX_WAKE, 1, 0, 0, 0);
    }
    wait(0);
}

static void ring(const char *name, int n, useconds_t between) {
    char error[SM_RING_ERROR];
    sm_ring *producer, *reader;
    if (sm_ring_create(name, 256, 64, SM_RING_DROP_NEWEST, SM_RECORD_HEADER, 0, 0, &producer, error)) exit(2);
    const pid_t child = fork();
    if (child == 0) {
        const sm_record *first;
        uint64_t *ns = calloc((size_t)n, sizeof *ns);
        sm_ring_disown(producer);
        if (sm_ring_attach(name, "", SM_RING_SAME_POLICY, SM_RING_SAME_DEADLINE, SM_RECORD_HEADER, 0, &reader, error)) exit(2);
        for (int i = 0; i < n; sm_ring_release(reader, 1)) {
            while (!sm_ring_peek(reader, 1, &first)) sm_ring_wait(reader, 1000000);
            ns[i++] = now() - first->ts_ns;
        }
        report("ring", ns, n);
    }
    for (int i = 0; i < n; i++) {
        usleep(between);
        sm_ring_reserve(producer, 1);
        memset(sm_ring_slot(producer, 0), 0, 64);
        sm_ring_slot(producer, 0)->ts_ns = now();
        sm_ring_commit(producer, 1);
    }
    waitpid(child, 0, 0);
    sm_ring_free(producer);
    sm_ring_unlink(name, 1, error);
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    const int n = atoi(argv[2]);
    const useconds_t between = (useconds_t)atoi(argv[3]);
    bare(n, between);
    ring(argv[1], n, between);
    return 0;
}
