/* Two processes that open, remove and make rings of one name, stepped: each system call of either is a step, and every
 * schedule "one does k steps, the other j, the one ends, the other ends" is tried, then schedules at random. Locks
 * belong to open files, so two threads that take turns stand for two processes. Linked with -Wl,--wrap=… for each __wrap_… below.
 * Arguments: name of the ring, number of the scenario, random schedules, seed. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ring.h"

enum { SLOTS = 256, SLOT = 64, OPERATIONS = 2, EVER = 1 << 30 };
enum { NOTHING, HALF_MADE, LEFT };                            /* what is there at the start */
enum { NONE, ATTACH, OBSERVE, CREATE, POOR, UNLINK, FORCE, JOIN, OTHER };
/* POOR: a create that gets no memory. JOIN and OTHER: subscribers with names. */

static const struct {
    const char *what;
    int start, programs[2][OPERATIONS];
} scenarios[] = {
    {"attach while the ring is made", NOTHING, {{ATTACH}, {CREATE}}},
    {"observe while the ring is made", NOTHING, {{OBSERVE}, {CREATE}}},
    {"attach while a half-made ring is made", HALF_MADE, {{ATTACH}, {CREATE}}},
    {"attach while making fails", NOTHING, {{ATTACH}, {POOR, CREATE}}},
    {"attach to a ring that could not be made", NOTHING, {{POOR}, {ATTACH}}},
    {"attach while the ring is made anew", LEFT, {{ATTACH}, {UNLINK, CREATE}}},
    {"attach while the ring is removed by force", LEFT, {{ATTACH}, {FORCE, CREATE}}},
    {"observe while the ring is made anew", LEFT, {{OBSERVE}, {UNLINK, CREATE}}},
    {"remove while the ring is made anew", LEFT, {{UNLINK}, {UNLINK, CREATE}}},
    {"remove by force while the ring is made anew", LEFT, {{FORCE}, {FORCE, CREATE}}},
    {"making fails while another makes the ring", NOTHING, {{POOR}, {FORCE, CREATE}}},
    {"take over while the ring is made anew", LEFT, {{CREATE}, {UNLINK, CREATE}}},
    {"make while the ring is removed by force", NOTHING, {{CREATE}, {FORCE, CREATE}}},
    {"two subscribers of one name", LEFT, {{JOIN}, {JOIN}}},
    {"two subscribers of two names", LEFT, {{JOIN}, {OTHER}}},
    {"subscribe while the ring is made anew", LEFT, {{JOIN}, {UNLINK, CREATE}}},
};

typedef struct {
    int number, finished, steps, operation, results[OPERATIONS];
    const int *program;
    ino_t opened; /* the file that it opened last */
    sm_ring *rings[OPERATIONS];
    char errors[OPERATIONS][SM_RING_ERROR];
} actor;

static _Thread_local actor *me;
static actor actors[2];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turned = PTHREAD_COND_INITIALIZER;
static int phase, begins;      /* even: the turn of the one that begins */
static int left;               /* steps until the next phase */
static int budgets[2];         /* of the first two phases */
static uint64_t random_state;  /* not 0: budgets are random */
static char file[160], fault[SM_RING_ERROR + 256];
static const char *name;

#define violated(...) (fault[0] ? (void)0 : (void)snprintf(fault, sizeof fault, __VA_ARGS__))

static int whose_turn(void) { return (phase + begins) & 1; }

/* To the next phase of one who is not finished. */
static void pass(void) {
    if (actors[0].finished && actors[1].finished) return;
    do phase++;
    while (actors[whose_turn()].finished);
    left = phase < 2 ? budgets[phase] : EVER;
    if (random_state) {
        random_state ^= random_state << 13;
        random_state ^= random_state >> 7;
        random_state ^= random_state << 17;
        left = (int)(random_state >> 20 & 7);
    }
    pthread_cond_broadcast(&turned);
}

/* Before every system call. */
static void step(int give_way) {
    if (!me) return;
    pthread_mutex_lock(&mutex);
    if (give_way) pass();
    for (;;) {
        if (whose_turn() != me->number) pthread_cond_wait(&turned, &mutex);
        else if (left > 0) break;
        else pass();
    }
    left--;
    me->steps++;
    pthread_mutex_unlock(&mutex);
}

#define STEPPED(type, call, parameters, ...) \
    type __real_##call parameters; \
    type __wrap_##call parameters; \
    type __wrap_##call parameters { \
        step(0); \
        return __real_##call(__VA_ARGS__); \
    }
STEPPED(int, close, (int fd), fd)
STEPPED(int, fstat, (int fd, struct stat *is), fd, is)
STEPPED(int, lstat, (const char *path, struct stat *is), path, is)
STEPPED(ssize_t, pread, (int fd, void *to, size_t n, off_t at), fd, to, n, at)
STEPPED(ssize_t, pwrite, (int fd, const void *from, size_t n, off_t at), fd, from, n, at)
STEPPED(int, ftruncate, (int fd, off_t size), fd, size)
STEPPED(void *, mmap, (void *at, size_t n, int may, int flags, int fd, off_t from), at, n, may, flags, fd, from)

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, mode_t mode);
int __wrap_open(const char *path, int flags, mode_t mode) {
    struct stat is;
    step(0);
    int fd = __real_open(path, flags, mode);
    if (me && fd >= 0 && __real_fstat(fd, &is) == 0) me->opened = is.st_ino;
    return fd;
}

int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, struct flock *area);
int __wrap_fcntl(int fd, int command, struct flock *area) {
    step(0);
    return __real_fcntl(fd, command, area);
}

int __real_posix_fallocate(int fd, off_t at, off_t n);
int __wrap_posix_fallocate(int fd, off_t at, off_t n);
int __wrap_posix_fallocate(int fd, off_t at, off_t n) {
    step(0);
    return me && me->program[me->operation] == POOR ? ENOSPC : __real_posix_fallocate(fd, at, n);
}

int __real_unlink(const char *path);
int __wrap_unlink(const char *path);
int __wrap_unlink(const char *path) {
    struct stat is;
    step(0);
    if (me && __real_lstat(path, &is) == 0 && is.st_ino != me->opened)
        violated("%c removed another file than it had opened", 'A' + me->number);
    return __real_unlink(path);
}

int __real_nanosleep(const struct timespec *time, struct timespec *rest);
int __wrap_nanosleep(const struct timespec *time, struct timespec *rest);
int __wrap_nanosleep(const struct timespec *time, struct timespec *rest) {
    if (!me) return __real_nanosleep(time, rest);
    step(1);
    return 0;
}

static int operate(int operation, sm_ring **ring, char *error) {
    switch (operation) {
    case ATTACH: return sm_ring_attach(name, "", SM_RING_SAME_POLICY, SM_RING_SAME_DEADLINE, SM_RECORD_HEADER, 0, ring, error);
    case OBSERVE: return sm_ring_observe(name, ring, error);
    case JOIN:
    case OTHER:
        return sm_ring_attach(name, operation == JOIN ? "one" : "two", SM_RING_BLOCK, SM_RING_SAME_DEADLINE, SM_RECORD_HEADER, 0, ring, error);
    case CREATE:
    case POOR: return sm_ring_create(name, SLOTS, SLOT, SM_RING_DROP_NEWEST, SM_RECORD_HEADER, 0, 0, ring, error);
    default: return sm_ring_unlink(name, operation == FORCE, error);
    }
}

static void *act(void *it) {
    me = it;
    for (; me->operation < OPERATIONS && me->program[me->operation]; me->operation++)
        me->results[me->operation] =
            operate(me->program[me->operation], &me->rings[me->operation], me->errors[me->operation]);
    pthread_mutex_lock(&mutex);
    me->finished = 1;
    if (whose_turn() == me->number) pass();
    pthread_mutex_unlock(&mutex);
    me = 0;
    return 0;
}

static int has(const actor *a, int operation) { return a->program[0] == operation || a->program[1] == operation; }

/* Whether this operation may end so, whatever the other one did meanwhile. */
static int allowed(int operation, int result, const actor *other) {
    int makes = has(other, CREATE) || has(other, POOR), removes = has(other, UNLINK) || has(other, FORCE);
    switch (operation) {
    case ATTACH:
    case OBSERVE: return result == SM_RING_OK || result == SM_RING_ABSENT || result == SM_RING_NOT_READY;
    case JOIN:
        if (result == SM_RING_TAKEN && has(other, JOIN)) return 1;
        /* fall through */
    case OTHER: return result == SM_RING_OK || result == SM_RING_ABSENT || result == SM_RING_NOT_READY;
    case CREATE: return result == SM_RING_OK || (result == SM_RING_TAKEN && makes);
    case POOR: return result == SM_RING_OS || (result == SM_RING_TAKEN && makes);
    case UNLINK: return result == SM_RING_OK || result == SM_RING_TAKEN || (result == SM_RING_ABSENT && removes);
    default: return result == SM_RING_OK || result == SM_RING_ABSENT;
    }
}

static int subscribes(const actor *a) { return has(a, JOIN) || has(a, OTHER); }

static void judge(const actor *a, const actor *other) {
    if (subscribes(a) && subscribes(other) && a->rings[0] && other->rings[0] &&
        (a->program[0] == other->program[0] || a->rings[0]->lanes->number == other->rings[0]->lanes->number))
        violated("both have lane %u or its name", a->rings[0]->lanes->number);
    for (int i = 0; i < OPERATIONS && a->program[i]; i++) {
        struct stat is, named;
        if (!allowed(a->program[i], a->results[i], other))
            violated("%c got result %d: %s", 'A' + a->number, a->results[i], a->errors[i]);
        else if (a->program[i] == CREATE && a->results[i] == SM_RING_OK && !has(other, FORCE) &&
                 (lstat(file, &named) != 0 || fstat(a->rings[i]->fd, &is) != 0 || is.st_ino != named.st_ino))
            violated("%c produces, and the ring's name was removed", 'A' + a->number);
        else if (a->program[i] == POOR && !has(a, CREATE) && !has(other, CREATE) && lstat(file, &named) == 0)
            violated("%c could not make the ring, and left its file", 'A' + a->number);
    }
}

static void prepare(int start) {
    sm_ring *ring;
    char error[SM_RING_ERROR];
    unlink(file);
    if (start == LEFT && sm_ring_create(name, SLOTS, SLOT, SM_RING_DROP_NEWEST, SM_RECORD_HEADER, 0, 0, &ring, error) == SM_RING_OK) {
        sm_ring_close(ring);
        sm_ring_free(ring);
    }
    if (start == HALF_MADE) {
        int fd = open(file, O_RDWR | O_CREAT, 0600);
        if (ftruncate(fd, 1 << 20) != 0) perror(file);
        close(fd);
    }
}

/* One schedule: k steps of the first, j of the other, all of the first, all of the other; or at random, given a seed. */
static void run(int scenario, int first, int k, int j, uint64_t seed) {
    pthread_t threads[2];
    prepare(scenarios[scenario].start);
    memset(actors, 0, sizeof actors);
    phase = 0;
    begins = first;
    budgets[0] = left = k;
    budgets[1] = j;
    random_state = seed;
    for (int i = 0; i < 2; i++) {
        actors[i].number = i;
        actors[i].program = scenarios[scenario].programs[i];
    }
    for (int i = 0; i < 2; i++)
        if (pthread_create(&threads[i], 0, act, &actors[i]) != 0) abort();
    for (int i = 0; i < 2; i++) pthread_join(threads[i], 0);
    for (int i = 0; i < 2; i++) judge(&actors[i], &actors[!i]);
    for (int i = 0; i < 2; i++)
        for (int n = 0; n < OPERATIONS; n++)
            if (actors[i].rings[n]) sm_ring_free(actors[i].rings[n]);
    if (fault[0]) {
        printf("%s: %c begins with %d steps, the other does %d, seed %llu: %s\n", scenarios[scenario].what,
               'A' + first, k, j, (unsigned long long)seed, fault);
        exit(3);
    }
}

int main(int argc, char **argv) {
    if (argc != 5) return 2;
    name = argv[1];
    snprintf(file, sizeof file, "/dev/shm/sevenm.%s", name);
    const int scenario = atoi(argv[2]), schedules = atoi(argv[3]);
    const uint64_t seed = strtoull(argv[4], 0, 10);
    if (scenario < 0 || scenario >= (int)(sizeof scenarios / sizeof *scenarios)) return 2;
    int tried = 0;
    for (int first = 0; first < 2; first++)
        for (int k = 0, more = 1; more; k++) {
            more = 0;
            for (int j = 0, more_of_other = 1; more_of_other; j++, tried++) {
                run(scenario, first, k, j, 0);
                more |= actors[first].steps > k;
                more_of_other = actors[!first].steps > j;
            }
        }
    for (int i = 1; i <= schedules; i++, tried++) run(scenario, 0, 0, 0, seed * 1000003 + (uint64_t)i);
    unlink(file);
    printf("%s: %d schedules\n", scenarios[scenario].what, tried);
    return 0;
}
