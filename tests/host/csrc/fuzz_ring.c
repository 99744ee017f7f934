/* A ring whose header somebody scribbles on, at any byte of it, between any two calls, or all the time from a thread: what
 * the producer, three readers, an observer and those who open it make of that. Nobody leaves the ring's memory or hangs;
 * and where only one lane's block is scribbled on, every other lane gets each record, whole and in order, or counts it.
 * The environment says in FUZZ_RING what the ring is called. */
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "ring.h"

enum { SLOTS = 256, SLOT = 64, READERS = 3, STEPS = 120, MOST = 300, HELD = 20480 };
enum { NOBODY, HEADER, LANE }; /* what is scribbled on */

typedef struct {
    sm_ring *ring;
    uint32_t held; /* records of the run that it has not given back */
    uint64_t next, lost; /* the record that comes next, by its number; of those before, not read */
    int broken;
} reader;

static struct {
    fuzz_input in;
    sm_ring *producer;
    reader readers[READERS];
    uint8_t *page;
    int target;
    uint32_t victim;
    uint64_t sent;
} w;

static uint64_t read_seen, corrupt_seen, refused_seen, lost_seen;
static const char *NAMES[READERS] = {"", "one", "two"};

/* The thread scribbles as long as `length` is not 0. */
static struct {
    _Atomic uint32_t length, from, idle;
    uint8_t *_Atomic page;
} scribbler = {.idle = 1};

static void *scribble(void *unused)
{
    uint64_t state = 88172645463325252;
    (void)unused;
    for (;;) {
        const uint32_t length = atomic_load(&scribbler.length);
        if (!length) {
            atomic_store(&scribbler.idle, 1);
            usleep(50);
            continue;
        }
        atomic_store(&scribbler.idle, 0);
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        uint8_t *const at = atomic_load(&scribbler.page) + atomic_load(&scribbler.from) + (state >> 20) % length;
        if (atomic_load(&scribbler.length))
            __atomic_store_n(at, state & 1 ? (uint8_t)(state >> 8) : (uint8_t)(*at + 1), __ATOMIC_RELAXED);
    }
    return 0;
}

static void scribble_on(int always)
{
    atomic_store(&scribbler.length, 0);
    while (!atomic_load(&scribbler.idle))
        usleep(20);
    if (!always)
        return;
    atomic_store(&scribbler.page, w.page);
    atomic_store(&scribbler.from, w.target == LANE ? SM_LANE_BLOCKS + 1024 * w.victim : 0);
    atomic_store(&scribbler.idle, 0);
    atomic_store(&scribbler.length, w.target == LANE ? 1024 : HELD);
}

static void scribble_once(void)
{
    static const uint32_t WORDS[] = {256, 264, 384, 512, 520, 528, 536, 768, 32, 36, 40, 48, 56};
    const uint32_t begin = w.target == LANE ? SM_LANE_BLOCKS + 1024 * w.victim : 0;
    const uint32_t size = w.target == LANE ? 1024 : HELD;
    uint32_t at = (uint32_t)take_bytes(&w.in, 2) % (size - 8);
    uint64_t value;
    if (w.target == NOBODY)
        return;
    if (take_byte(&w.in) % 2) /* one of a block's words */
        at = (w.target == LANE ? 0 : SM_LANE_BLOCKS + 1024 * take_below(&w.in, SM_RING_LANES)) +
             WORDS[take_byte(&w.in) % (sizeof WORDS / sizeof *WORDS)];
    else if (w.target == HEADER && take_byte(&w.in) % 4 == 0)
        at = 8 * (take_byte(&w.in) % 6); /* what is constant */
    memcpy(&value, w.page + begin + at, 8);
    switch (take_byte(&w.in) % 6) {
    case 0:
        value += take_bytes(&w.in, 2) - 32768;
        break;
    case 1:
        value = take_bytes(&w.in, 8);
        break;
    case 2:
        value = take_byte(&w.in);
        break;
    case 3:
        value = UINT64_C(1) << take_byte(&w.in) % 64;
        break;
    case 4:
        memset(w.page + begin + at, 'a', size - at < 80 ? size - at : 80); /* a name or a digest without an end */
        return;
    default:
        value ^= UINT64_C(1) << take_byte(&w.in) % 64;
    }
    memcpy(w.page + begin + at, &value, 8);
}

/* Whether this lane's numbers have to be right. */
static int sound(uint32_t lane) { return w.target == NOBODY || (w.target == LANE && lane != w.victim); }

static void check_producer(void)
{
    for (uint32_t i = 0; i < SM_RING_LANES; i++) {
        const sm_lane *const lane = &w.producer->lanes[i];
        if (!(w.producer->open >> i & 1))
            continue;
        CHECK(lane->mine - lane->theirs <= SLOTS);
        CHECK(lane->policy < SM_RING_POLICIES);
        CHECK(!sound(i) || !lane->fault);
        corrupt_seen += lane->fault == SM_RING_CORRUPT;
    }
}

/* Whether a lane is waited for: a second at a time, where nobody else can make room. */
static int waits(void)
{
    for (uint32_t open = w.producer->open; open; open &= open - 1)
        if (w.producer->lanes[__builtin_ctz(open)].policy == SM_RING_BLOCK)
            return 1;
    return 0;
}

static void produce(void)
{
    static uint8_t records[MOST * SLOT];
    const uint32_t n = 1 + take_below(&w.in, MOST), some = n < SLOTS ? n : SLOTS;
    if (take_byte(&w.in) % 2 || waits()) {
        uint64_t done = 0;
        for (uint32_t i = 0; i < n; i++) {
            const uint64_t number = w.sent + i;
            memset(records + i * SLOT, 0x5a, SLOT);
            memcpy(records + i * SLOT + SM_RECORD_HEADER, &number, sizeof number);
        }
        sm_ring_write(w.producer, records, n, &done, 0);
        CHECK(done <= n);
        if (done < n)
            sm_ring_give_up(w.producer, SM_CAUSE_STOPPED, n - done);
        w.sent += n;
    } else {
        const uint32_t granted = sm_ring_reserve(w.producer, some);
        CHECK(granted <= some);
        for (uint32_t i = 0; i < granted; i++) {
            uint8_t *const slot = (uint8_t *)sm_ring_slot(w.producer, i);
            const uint64_t number = w.sent + i;
            memset(slot, 0x5a, SLOT);
            memcpy(slot + SM_RECORD_HEADER, &number, sizeof number);
        }
        sm_ring_commit_sequenced(w.producer, granted);
        w.sent += some;
    }
    check_producer();
}

/* A record: its number grows, by one but for those that were not delivered; the rest is what the producer put there. */
static void check_record(reader *one, const uint8_t *record)
{
    uint64_t number;
    memcpy(&number, record + SM_RECORD_HEADER, sizeof number);
    if (!sound(one->ring->lanes->number))
        return;
    CHECK(number >= one->next && number < w.sent);
    for (uint32_t i = SM_RECORD_HEADER + 8; i < SLOT; i++)
        CHECK(record[i] == 0x5a);
    one->next = number + 1;
}

/* A header may say another size of slots, as long as all of them lie in the file: it has room for this much a lane. */
static void fits(const sm_ring *ring)
{
    CHECK(ring->slots * ring->slot_size <= SM_RING_HEADER);
}

static void consume(reader *one)
{
    static uint8_t copies[SM_RING_HEADER];
    const sm_lane *const lane = one->ring->lanes;
    const uint64_t slots = one->ring->slots, size = one->ring->slot_size;
    const uint8_t choice = take_byte(&w.in);
    if (lane->policy == SM_RING_DROP_OLDEST) {
        uint32_t first = 0;
        const uint32_t n = sm_ring_take(one->ring, copies, 1 + take_below(&w.in, SLOTS), &first);
        CHECK(n <= SLOTS && first <= SLOTS - n);
        for (uint32_t i = 0; i < n; i++)
            check_record(one, copies + (first + i) * size);
        read_seen += n;
    } else {
        if (choice % 4 == 0)
            sm_ring_wait(one->ring, 0); /* also while it holds a run */
        const uint32_t max = 1 + take_below(&w.in, SLOTS);
        const uint64_t found = sm_ring_next(one->ring, one->held, max), start = found >> 32;
        one->held = (uint32_t)found;
        CHECK(start < slots && one->held <= slots - start && one->held <= max);
        CHECK(!one->held || !lane->fault);
        for (uint32_t i = 0; i < one->held; i++)
            check_record(one, lane->base + (start + i) * size);
        read_seen += one->held;
    }
    if (choice % 8 == 1)
        sm_ring_wait(one->ring, 0);
    CHECK(lane->fault || lane->theirs - lane->mine <= slots);
    CHECK(!sound(lane->number) || !lane->fault);
    corrupt_seen += lane->fault == SM_RING_CORRUPT;
}

/* What is known of a ring, by a handle or by its name. */
static void look(const char *name)
{
    sm_ring_stats stats;
    char error[SM_RING_ERROR];
    sm_ring *observer;
    sm_ring_read_stats(w.producer, &stats);
    for (uint32_t i = 0; i < SM_RING_LANES; i++)
        CHECK(memchr(stats.lanes[i].name, 0, SM_LANE_NAME));
    if (sm_ring_observe(name, &observer, error) == SM_RING_OK) {
        fits(observer);
        sm_ring_read_stats(observer, &stats);
        CHECK(memchr(stats.digest, 0, sizeof stats.digest));
        sm_ring_free(observer);
    } else {
        CHECK(w.target != NOBODY && memchr(error, 0, sizeof error));
        refused_seen++;
    }
}

/* Somebody comes, and goes. */
static void visit(const char *name)
{
    char error[SM_RING_ERROR], who[] = {'v', (char)('a' + take_byte(&w.in) % 16), 0};
    sm_ring *visitor;
    const int code = sm_ring_attach(name, who, take_byte(&w.in) % SM_RING_POLICIES, 1, SM_RECORD_HEADER, 0, &visitor, error);
    if (code != SM_RING_OK) {
        CHECK(memchr(error, 0, sizeof error));
        refused_seen++;
        return;
    }
    fits(visitor);
    reader one = {.ring = visitor};
    one.next = w.sent;
    const int target = w.target;
    w.target = HEADER; /* where its lane is taken for the victim's */
    consume(&one);
    w.target = target;
    if (take_byte(&w.in) % 2)
        sm_ring_close(visitor);
    sm_ring_free(visitor);
}

static void accounts(void)
{
    for (uint32_t i = 0; i < READERS; i++) {
        const sm_lane *const lane = w.readers[i].ring->lanes;
        const sm_lane_block *const block = lane->shared;
        uint64_t undelivered = 0;
        if (!sound(lane->number))
            continue;
        for (uint32_t cause = 0; cause < SM_RING_CAUSES; cause++)
            undelivered += block->undelivered[cause];
        CHECK(block->written + undelivered == w.sent);
        CHECK(!block->undelivered[SM_CAUSE_CORRUPT]);
        lost_seen += block->lost + undelivered;
    }
}

static void fuzz_one(fuzz_input in)
{
    static pthread_t thread;
    char error[SM_RING_ERROR];
    const char *const name = getenv("FUZZ_RING");
    CHECK(name);
    memset(&w, 0, sizeof w);
    w.in = in;
    sm_ring_unlink(name, 1, error);
    const uint8_t policies = take_byte(&w.in), choice = take_byte(&w.in);
    w.target = choice % 8 == 0 ? NOBODY : choice % 2 ? HEADER : LANE;
    CHECK(sm_ring_create(name, SLOTS, SLOT, policies % 3, SM_RECORD_HEADER, 0, 0, &w.producer, error) == SM_RING_OK);
    w.producer->lanes[0].timeout_ns = 1000;
    for (uint32_t i = 0; i < READERS; i++)
        CHECK(sm_ring_attach(name, NAMES[i], i ? policies / (i * 3) % 3 : SM_RING_SAME_POLICY, i ? 1 : SM_RING_SAME_DEADLINE,
                             SM_RECORD_HEADER, 0, &w.readers[i].ring, error) == SM_RING_OK);
    sm_ring_follow(w.producer);
    w.victim = w.readers[take_byte(&w.in) % READERS].ring->lanes->number;
    char path[160];
    snprintf(path, sizeof path, "/dev/shm/sevenm.%s", name);
    const int fd = open(path, O_RDWR);
    w.page = mmap(0, SM_RING_HEADER, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(fd >= 0 && w.page != MAP_FAILED);
    close(fd);
    if (!thread)
        CHECK(!pthread_create(&thread, 0, scribble, 0));
    const int always = w.target != NOBODY && take_byte(&w.in) % 4 == 0;
    scribble_on(always);
    for (uint32_t step = 0; step < STEPS && w.in.at < w.in.end; step++) {
        const uint8_t what = take_byte(&w.in) % 16;
        if (what < 5)
            produce();
        else if (what < 10)
            consume(&w.readers[take_byte(&w.in) % READERS]);
        else if (what < 14)
            scribble_once();
        else if (what == 14)
            look(name);
        else if (w.target == HEADER)
            visit(name);
    }
    scribble_on(0);
    look(name);
    accounts();
    for (uint32_t i = 0; i < READERS; i++) {
        sm_ring_close(w.readers[i].ring);
        sm_ring_free(w.readers[i].ring);
    }
    sm_ring_close(w.producer);
    sm_ring_free(w.producer);
    /* Taken over, as far as what is left can be. */
    sm_ring *next;
    if (sm_ring_create(name, SLOTS, SLOT, policies % 3, SM_RECORD_HEADER, 0, 0, &next, error) == SM_RING_OK)
        sm_ring_free(next);
    else
        CHECK(w.target != NOBODY);
    munmap(w.page, SM_RING_HEADER);
    CHECK(sm_ring_unlink(name, 1, error) == SM_RING_OK);
}

static void fuzz_said(void)
{
    printf("%llu records, %llu lost, %llu corrupt, %llu refused\n", (unsigned long long)read_seen,
           (unsigned long long)lost_seen, (unsigned long long)corrupt_seen, (unsigned long long)refused_seen);
}
