/* Runs under the sanitizers: one thread is the loop, one exchanges its rules, one reads what it delivers. Each program's
 * code, tables, actions and accounts are memory of their own, freed as soon as the loop has left them. Every record has
 * to be of one generation in all of its parts, and none may be lost or repeated. Arguments: name of a ring, swaps, burst. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "loop.h"

enum { TABLE = 5000, RULES = 2 };

/* Everything that one generation needs. */
typedef struct generation {
    sm_program program;
    sm_actions actions;
    sm_accounts accounts;
    sm_table *table; /* `rows` is the rule that it is of, `n` the generation */
    uint64_t *numbers;
    struct generation *next;
} generation;

static sm_loop loop;
static sm_memory_ingress ingress;
static sm_outlet outlet;
static sm_outlet *outlets[1] = {&outlet};
static const char *ring_name;
static atomic_int attached, done;
static uint64_t received;

/* All events fire the rule of the table; the two functions stand for the code of two rule sets. */
static uint64_t decide(uint64_t n, const sm_context *context, uint32_t rule, sm_chunk *chunks, sm_fired *fired,
                       uint64_t room) {
    uint64_t at = 0, used = 0;
    CHECK(context->tables->rows == rule && context->port == 3);
    for (; at < n && used < room; at += SM_CHUNK) {
        const uint64_t left = n - at, all = left < 64 ? (UINT64_C(1) << left) - 1 : UINT64_MAX;
        chunks[at / 64] = (sm_chunk){0, 0, 0, 1, 0};
        fired[used++] = (sm_fired){all, rule, 0};
    }
    return at < n ? at : n;
}

static uint64_t match_even(const uint8_t *buffer, const sm_event *events, uint64_t n, const sm_context *context,
                           sm_chunk *chunks, sm_fired *fired, uint64_t room, uint16_t *ports) {
    (void)buffer, (void)events, (void)ports;
    return decide(n, context, 0, chunks, fired, room);
}

static uint64_t match_odd(const uint8_t *buffer, const sm_event *events, uint64_t n, const sm_context *context,
                          sm_chunk *chunks, sm_fired *fired, uint64_t room, uint16_t *ports) {
    (void)buffer, (void)events, (void)ports;
    return decide(n, context, 1, chunks, fired, room);
}

static void *zeroed(size_t size) {
    void *memory = calloc(1, size);
    CHECK(memory);
    return memory;
}

/* Three generations in a row have the same code: two of them are updates of tables. */
static generation *make(uint32_t number) {
    static const uint32_t START[2][3] = {{0, 1, 1}, {0, 0, 1}};
    generation *g = zeroed(sizeof *g);
    const uint32_t rule = number / 3 % 2;
    uint32_t *start = zeroed(sizeof START[0]), *items = zeroed(sizeof *items);
    memcpy(start, START[rule], sizeof START[0]);
    g->table = zeroed(sizeof *g->table);
    *g->table = (sm_table){.n = number, .rows = rule};
    g->numbers = zeroed((RULES + 3 + SM_CAUSES) * sizeof *g->numbers);
    g->actions = (sm_actions){RULES, 1, 0, 0, {start, items}, {zeroed(3 * sizeof *start), items},
                              zeroed(RULES * sizeof(uint16_t)), zeroed(RULES)};
    g->accounts = (sm_accounts){.rules = g->numbers, .matched = g->numbers + 2, .delivered = g->numbers + 3,
                                .waiting = g->numbers + 4, .undelivered = g->numbers + 5, .channels = 1};
    g->program = (sm_program){rule ? match_odd : match_even, g->table, 0, &g->actions, &g->accounts, outlets,
                              zeroed(SM_SPAN / SM_CHUNK * sizeof(sm_chunk)), zeroed(4 * sizeof(sm_fired)), 0, 4, number,
                              SM_ENGINE_HOST};
    return g;
}

static void drop(generation *g) {
    free((void *)g->actions.deliver.start);
    free((void *)g->actions.deliver.items);
    free((void *)g->actions.count.start);
    free((void *)g->actions.forward);
    free((void *)g->actions.drop);
    free(g->program.chunks);
    free(g->program.fired);
    free(g->table);
    free(g->numbers);
    free(g);
}

static void *run(void *unused) {
    int why;
    while ((why = sm_loop_run(&loop, &ingress.base, UINT64_MAX, 1000)) == SM_LOOP_WAITS) {}
    CHECK(why == SM_LOOP_STOPPED);
    sm_loop_stop(&loop, SM_GO);
    while (!sm_loop_flush(&loop, 1000)) {}
    return unused;
}

static void *read_all(void *unused) {
    char error[SM_RING_ERROR];
    sm_ring *ring;
    const sm_record *first;
    uint32_t generation = 0, run;
    CHECK(sm_ring_attach(ring_name, "", SM_RING_SAME_POLICY, SM_RING_SAME_DEADLINE, SM_RECORD_HEADER, 0, &ring, error) == SM_RING_OK);
    atomic_store(&attached, 1);
    for (;;) {
        /* Looked at before the ring: what was written before it was done is then still found. */
        const int last = atomic_load(&done);
        run = sm_ring_peek(ring, 100, &first);
        if (!run && last) break;
        for (uint32_t i = 0; i < run; i++) {
            const sm_record *record = (const sm_record *)((const uint8_t *)first + i * ring->slot_size);
            CHECK(record->seq == received);
            CHECK(record->ts_ns == received % TABLE);
            CHECK(record->generation >= generation && record->rule == record->generation / 3 % 2);
            CHECK(record->source == 3 && record->engine == SM_ENGINE_HOST);
            generation = record->generation;
            received++;
        }
        sm_ring_release(ring, run);
        if (!run) sched_yield();
    }
    sm_ring_close(ring);
    sm_ring_free(ring);
    return unused;
}

/* What is over is freed as soon as nothing waits for its accounts; the sums stay. */
static generation *collect(generation *list, uint64_t *events, uint64_t *delivered) {
    generation *kept = 0;
    while (list) {
        generation *const g = list;
        list = g->next;
        if (sm_loop_uses(&loop, &g->program) || sm_accounts_waiting(&g->accounts)) {
            g->next = kept;
            kept = g;
            continue;
        }
        CHECK(g->accounts.events > 0 && g->accounts.events == g->accounts.delivered[0]);
        CHECK(g->accounts.rules[g->table->rows] == g->accounts.events && g->accounts.matched[0] == g->accounts.events);
        *events += g->accounts.events;
        *delivered += g->accounts.delivered[0];
        drop(g);
    }
    return kept;
}

int main(int argc, char **argv) {
    char error[SM_RING_ERROR];
    sm_ring *ring;
    pthread_t runs, reads;
    uint64_t events = 0, delivered = 0;
    CHECK(argc == 4);
    ring_name = argv[1];
    CHECK(sm_ring_create(ring_name, 1024, 64, SM_RING_BLOCK, SM_RECORD_HEADER, 0, 0, &ring, error) == SM_RING_OK);
    outlet.ring = ring;
    outlet.slots = 256;
    outlet.backlog = zeroed(256 * 64);
    outlet.owners = zeroed(256 * sizeof *outlet.owners);
    CHECK(sm_loop_add_outlet(&loop, &outlet));
    uint8_t *buffer = zeroed(TABLE * 8);
    sm_event *table = zeroed(TABLE * sizeof *table);
    for (uint64_t i = 0; i < TABLE; i++) table[i] = (sm_event){i * 8, i, 8, 8};
    sm_memory_ingress_open(&ingress, buffer, table, TABLE, (uint32_t)atol(argv[3]), UINT64_MAX, 3);
    generation *list = make(0);
    sm_loop_publish(&loop, &list->program);
    CHECK(pthread_create(&reads, 0, read_all, 0) == 0);
    while (!atomic_load(&attached)) sched_yield();
    CHECK(pthread_create(&runs, 0, run, 0) == 0);
    while (!sm_loop_events(&loop)) sched_yield();
    for (uint32_t number = 1; number <= (uint32_t)atol(argv[2]); number++) {
        generation *const before = list, *const next = make(number);
        next->next = list;
        list = next;
        sm_loop_publish(&loop, &next->program);
        while (sm_loop_uses(&loop, &before->program)) sched_yield();
        list = collect(list, &events, &delivered);
        while (!__atomic_load_n(&next->accounts.events, __ATOMIC_RELAXED)) sched_yield();
    }
    sm_loop_stop(&loop, SM_STOP);
    pthread_join(runs, 0);
    sm_loop_publish(&loop, 0);
    list = collect(list, &events, &delivered);
    CHECK(!list);
    atomic_store(&done, 1);
    pthread_join(reads, 0);
    CHECK(events == sm_loop_events(&loop));
    CHECK(delivered == events);
    CHECK(received == events);
    sm_ring_close(ring);
    sm_ring_free(ring);
    free(outlet.backlog);
    free(outlet.owners);
    free(buffer);
    free(table);
    printf("%s swaps, nothing lost\n", argv[2]);
    return 0;
}
