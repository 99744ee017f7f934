/* The loop over events in memory, with counters, a ring that is full and one that is read. Once it is warm, two writes to
 * no file mark for strace where the loop runs, and what was allocated between them is printed.
 * Arguments: name of two rings, events of a batch, batches, seeded fault (none, malloc, syscall). */
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"
#include "loop.h"

enum { RULES = 3, TABLE = 1 << 15 };

extern uint64_t counted_allocations(void) __attribute__((weak));

static sm_loop loop;
static sm_latency latency;
static sm_memory_ingress replay;
static sm_ingress faulty;
static const char *fault;
static void *volatile leftover;

static uint64_t match(const uint8_t *buffer, const sm_event *events, uint64_t n, const sm_context *context,
                      sm_chunk *chunks, sm_fired *fired, uint64_t room, uint16_t *ports) {
    uint64_t at = 0, used = 0;
    (void)buffer, (void)events, (void)context;
    for (; at < n && room - used >= RULES; at += SM_CHUNK) {
        const uint64_t left = n - at, all = left < 64 ? (UINT64_C(1) << left) - 1 : UINT64_MAX;
        chunks[at / 64] = (sm_chunk){all & 0xff, 0, 0, RULES, 0};
        for (uint32_t rule = 0; rule < RULES; rule++) fired[used++] = (sm_fired){all & ~(uint64_t)rule, rule, 0};
    }
    memset(ports, 0, n * sizeof *ports);
    return at < n ? at : n;
}

/* The replay, with what a careless ingress might do at every batch. */
static int next(sm_ingress *ingress, sm_burst *burst) {
    (void)ingress;
    if (!strcmp(fault, "malloc")) {
        leftover = malloc(100);
        free(leftover);
    }
    if (!strcmp(fault, "syscall")) syscall(SYS_getppid);
    return replay.base.ops->next(&replay.base, burst);
}

static void release(sm_ingress *ingress, const sm_burst *burst) {
    (void)ingress;
    replay.base.ops->release(&replay.base, burst);
}

static void finish(sm_ingress *ingress) { (void)ingress; }

static uint64_t read_all(sm_ring *reader) {
    const sm_record *first;
    uint64_t n = 0;
    for (uint32_t run; (run = sm_ring_peek(reader, UINT32_MAX, &first)); n += run) sm_ring_release(reader, run);
    return n;
}

int main(int argc, char **argv) {
    static const uint32_t START[] = {0, 2, 3, 3}, ITEMS[] = {0, 1, 1}, COUNTED[] = {0, 1, 2, 3}, COUNTERS[] = {0, 0, 1};
    static const uint16_t FORWARD[] = {1, 0, 0x8000};
    static const uint8_t DROP[] = {0, 0, 1};
    static const sm_ingress_ops OPS = {"faulty", next, release, finish, 0};
    char error[SM_RING_ERROR], name[128];
    sm_ring *rings[2], *reader;
    CHECK(argc == 5);
    const uint32_t batch = (uint32_t)atol(argv[2]);
    const uint64_t batches = strtoull(argv[3], 0, 10);
    fault = argv[4];
    sm_outlet outlets[2] = {0}, *const pointers[2] = {&outlets[0], &outlets[1]};
    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "%s-%d", argv[1], i);
        CHECK(sm_ring_create(name, i ? 1 << 16 : 256, 96, i ? SM_RING_BLOCK : SM_RING_DROP_NEWEST, SM_RECORD_HEADER, 0, 0, &rings[i], error) == 0);
        outlets[i].ring = rings[i];
        CHECK(sm_loop_add_outlet(&loop, &outlets[i]));
    }
    CHECK(sm_ring_attach(name, "", SM_RING_SAME_POLICY, SM_RING_SAME_DEADLINE, SM_RECORD_HEADER, 0, &reader, error) == 0);
    outlets[1].slots = 1024;
    outlets[1].backlog = calloc(1024, 96);
    outlets[1].owners = calloc(1024, sizeof(sm_owner));
    uint64_t *numbers = calloc(RULES + 2 + 6 + 2 * SM_CAUSES, sizeof *numbers);
    sm_accounts accounts = {.rules = numbers, .counters = numbers + 3, .matched = numbers + 5, .delivered = numbers + 7,
                            .waiting = numbers + 9, .undelivered = numbers + 11, .channels = 2};
    const sm_actions actions = {RULES, 2, 2, 0, {START, ITEMS}, {COUNTED, COUNTERS}, FORWARD, DROP};
    const sm_program program = {match, 0, 0, &actions, &accounts, pointers, calloc(SM_SPAN / 64, sizeof(sm_chunk)),
                                calloc(4096, sizeof(sm_fired)), calloc(SM_SPAN, 2), 4096, 1, SM_ENGINE_HOST};
    uint8_t *buffer = calloc(TABLE, 64);
    sm_event *table = calloc(TABLE, sizeof *table);
    for (uint64_t i = 0; i < TABLE; i++) table[i] = (sm_event){i * 64, i, 64, 64};
    sm_memory_ingress_open(&replay, buffer, table, TABLE, batch, UINT64_MAX, 0);
    faulty.ops = &OPS;
    sm_loop_publish(&loop, &program);
    sm_loop_watch(&loop, &latency);
    uint64_t received = 0, before = 0;
    for (uint64_t i = 0; i <= batches; i++) {
        if (i == 1) { /* warm */
            before = counted_allocations ? counted_allocations() : 0;
            CHECK(write(-1, "begin", 5) < 0);
        }
        CHECK(sm_loop_run(&loop, &faulty, batch, 1000) == SM_LOOP_LIMIT);
        received += read_all(reader);
    }
    CHECK(write(-1, "end", 3) < 0);
    const uint64_t allocated = counted_allocations ? counted_allocations() - before : 0;
    CHECK(accounts.events == (batches + 1) * batch && received == accounts.delivered[1]);
    CHECK(accounts.matched[1] == received && accounts.undelivered[SM_CAUSE_FULL] == accounts.matched[0] - 256);
    printf("%llu allocations\n", (unsigned long long)allocated);
    return 0;
}
