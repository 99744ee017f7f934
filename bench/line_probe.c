/* What a cache line costs that two processors write to, beside lines of their own: nanoseconds for each addition. */
#define _GNU_SOURCE 1
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

enum { TIMES = 400000 };
static _Alignas(256) _Atomic uint64_t words[64];
static _Atomic int ready;

typedef struct {
    int processor, shared_add;
    _Atomic uint64_t *word;
    double ns;
} job;

static void *add(void *what) {
    job *const mine = what;
    struct timespec from, to;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(mine->processor, &set);
    mine->ns = -1;
    const int pinned = pthread_setaffinity_np(pthread_self(), sizeof set, &set) == 0;
    ready++;
    while (ready != 2) {
    }
    if (!pinned) return 0;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
    for (int i = 0; i < TIMES; i++) {
        if (mine->shared_add) atomic_fetch_add_explicit(mine->word, 1, memory_order_relaxed);
        else atomic_store_explicit(mine->word, atomic_load_explicit(mine->word, memory_order_relaxed) + 1, memory_order_relaxed);
    }
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
    mine->ns = ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) / TIMES;
    return 0;
}

/* how: 0 each a plain counter in a line of its own; 1 each its own counter, both in one line; 2 one counter, added to
 * atomically. Mean of both processors, -1 where a thread cannot be pinned or made. */
double line_ns(int how, int here, int there) {
    job jobs[2] = {{here, how == 2, &words[0], -1}, {there, how == 2, &words[how == 0 ? 32 : how == 1 ? 1 : 0], -1}};
    pthread_t threads[2];
    ready = 0;
    for (int i = 0; i < 2; i++)
        if (pthread_create(&threads[i], 0, add, &jobs[i]) != 0) return -1;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], 0);
    return jobs[0].ns < 0 || jobs[1].ns < 0 ? -1 : (jobs[0].ns + jobs[1].ns) / 2;
}
