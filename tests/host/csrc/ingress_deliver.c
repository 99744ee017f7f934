/* Runs under the sanitizers: captures that are damaged at random are indexed, delivered into a ring and written again,
 * every buffer allocated to the byte. Arguments: name of a ring, rounds, seed, captures. */
#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "deliver.h"
#include "index.h"
#include "pcap_write.h"

enum { RULES = 70, CHANNELS = 3, COUNTERS = 2, TABLE = 300 };

static uint64_t state;
static uint64_t events_total, errors_total;

static uint32_t below(uint32_t n) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 11) % n);
}

static void *exactly(size_t size) {
    void *memory = malloc(size ? size : 1);
    CHECK(memory);
    return memory;
}

/* For each rule a list of items below count. */
static sm_lists lists(uint32_t count) {
    uint32_t *start = exactly((RULES + 1) * sizeof *start), *items = exactly((size_t)count * RULES * sizeof *items);
    uint32_t n = 0;
    for (uint32_t rule = 0; rule < RULES; rule++) {
        start[rule] = n;
        for (uint32_t item = 0; item < count; item++)
            if (below(3) == 0) items[n++] = item;
    }
    start[RULES] = n;
    return (sm_lists){start, items};
}

static void drop_lists(sm_lists l) {
    free((void *)l.start);
    free((void *)l.items);
}

static uint64_t word(void) { return (uint64_t)below(UINT32_MAX) << 32 | below(UINT32_MAX); }

static void deliver(const uint8_t *buffer, const sm_event *table, uint32_t n, sm_ring *ring) {
    const uint64_t words = (n + 63) / 64;
    sm_event *events = exactly(n * sizeof *events);
    memcpy(events, table, n * sizeof *events);
    sm_chunk *chunks = exactly(words * sizeof *chunks);
    sm_fired *all = exactly(words * RULES * sizeof *all);
    uint16_t *ports = below(2) ? exactly(n * sizeof *ports) : 0, forward[RULES];
    uint8_t drop[RULES];
    uint64_t *select = exactly(words * sizeof *select);
    uint32_t count = 0;
    for (uint64_t w = 0; w < words; w++) {
        const uint64_t mask = w == words - 1 && n % 64 ? (UINT64_C(1) << n % 64) - 1 : UINT64_MAX;
        chunks[w] = (sm_chunk){word() & mask, word() & mask, word() & mask, 0, 0};
        select[w] = word() & mask;
        for (uint32_t rule = RULES; rule-- > 0;) { /* any order will do */
            const uint64_t fired = below(4) ? 0 : word() & mask;
            if (fired) all[count++] = (sm_fired){fired, rule, 0};
            chunks[w].fired += fired != 0;
        }
    }
    sm_fired *entries = exactly(count * sizeof *entries);
    memcpy(entries, all, count * sizeof *entries);
    free(all);
    for (uint32_t i = 0; ports && i < n; i++) ports[i] = (uint16_t)word();
    for (uint32_t rule = 0; rule < RULES; rule++) {
        forward[rule] = (uint16_t)word();
        drop[rule] = below(9) == 0;
    }
    uint64_t *numbers = calloc(RULES + COUNTERS + CHANNELS * (3 + SM_CAUSES), sizeof *numbers);
    CHECK(numbers);
    uint64_t *matched = numbers + RULES + COUNTERS, *delivered = matched + CHANNELS, *waiting = delivered + CHANNELS;
    sm_accounts accounts = {.rules = numbers, .counters = numbers + RULES, .matched = matched, .delivered = delivered,
                            .waiting = waiting, .undelivered = waiting + CHANNELS, .channels = CHANNELS};
    const sm_actions actions = {RULES, CHANNELS, COUNTERS, 0, lists(CHANNELS), lists(COUNTERS), forward, drop};
    const sm_batch batch = {buffer, events, n, chunks, entries, ports, 1, SM_ENGINE_HOST, 0};
    sm_outlet outlet = {.ring = ring};
    sm_outlet *outlets[CHANNELS] = {0, &outlet, 0};
    sm_cursor *cursor = calloc(1, sizeof *cursor);
    CHECK(cursor);
    const uint64_t before = ring->lanes->mine;
    CHECK(sm_deliver(&actions, &batch, outlets, &accounts, cursor, 1000) == 1);
    CHECK(accounts.events == n && delivered[1] == ring->lanes->mine - before && sm_accounts_waiting(&accounts) == 0);
    for (uint32_t c = 0; c < CHANNELS; c++) {
        uint64_t sum = delivered[c];
        for (uint32_t cause = 0; cause < SM_CAUSES; cause++) sum += accounts.undelivered[c * SM_CAUSES + cause];
        CHECK(sum == matched[c] && matched[c] <= n);
    }
    uint64_t size = 0;
    for (uint32_t i = 0; i < n; i++)
        if (select[i / 64] >> i % 64 & 1) size += 16 + events[i].cap_len;
    uint8_t *out = exactly(size);
    CHECK(sm_pcap_write(buffer, events, n, select, SM_CAPTURE_MAX, out) == size);
    free(out);
    drop_lists(actions.deliver);
    drop_lists(actions.count);
    free(numbers);
    free(cursor);
    free(select);
    free(chunks);
    free(entries);
    free(ports);
    free(events);
}

static void run(const uint8_t *buffer, uint64_t start, uint64_t size, int ng, sm_ring *ring) {
    sm_interface *interfaces = exactly(2 * sizeof *interfaces);
    interfaces[0] = (sm_interface){(int64_t)below(5) - 2, 1, below(2) * 64, below(128), below(2)};
    interfaces[1] = (sm_interface){INT64_MIN, 1 + below(2), 0, below(128), below(2)};
    const uint32_t big = below(8) == 0, nano = below(2), n = 1 + below(2);
    sm_event *table = exactly(TABLE * sizeof *table);
    for (uint32_t steps = 0; steps < 100000; steps++) {
        const uint32_t max = 1 + below(TABLE);
        sm_step step;
        if (ng)
            sm_index_pcapng(buffer, start, size, big, interfaces, n, 1, table, max, &step);
        else
            sm_index_pcap(buffer, start, size, big, nano, table, max, &step);
        CHECK(step.position >= start && step.position <= size && step.count <= max);
        for (uint32_t i = 0; i < step.count; i++)
            CHECK(table[i].offset >= start && table[i].offset + table[i].cap_len <= step.position &&
                  table[i].cap_len <= table[i].wire_len);
        events_total += step.count;
        errors_total += step.status >= SM_STEP_TOO_LONG;
        if (step.count) deliver(buffer, table, step.count, ring);
        start = step.position;
        if (step.status == SM_STEP_FULL) continue;
        if (step.status != SM_STEP_CONTROL || size - start < 12) break;
        start += 4 * (1 + below(8)); /* somewhere after it */
        if (start > size) break;
    }
    free(table);
    free(interfaces);
}

int main(int argc, char **argv) {
    char error[SM_RING_ERROR];
    sm_ring *ring;
    CHECK(argc > 4);
    CHECK(sm_ring_create(argv[1], 256, 96, SM_RING_DROP_NEWEST, SM_RECORD_HEADER, 0, 0, &ring, error) == SM_RING_OK);
    const long rounds = atol(argv[2]);
    state = strtoull(argv[3], 0, 10);
    for (int file = 4; file < argc; file++) {
        FILE *in = fopen(argv[file], "rb");
        CHECK(in);
        uint8_t *whole = exactly(1 << 20);
        const size_t size = fread(whole, 1, 1 << 20, in);
        fclose(in);
        const int ng = whole[0] == 0x0a;
        for (long round = 0; round < rounds; round++) {
            const size_t cut = round ? below((uint32_t)size + 1) : size, start = cut < 24 ? cut : ng ? 0 : 24;
            uint8_t *buffer = exactly(cut);
            memcpy(buffer, whole, cut);
            for (uint32_t flips = below(6); round && cut && flips; flips--)
                buffer[below((uint32_t)cut)] ^= (uint8_t)(1 << below(8));
            run(buffer, start, cut, ng, ring);
            free(buffer);
        }
        free(whole);
    }
    sm_ring_free(ring);
    CHECK(sm_ring_unlink(argv[1], 1, error) == SM_RING_OK);
    printf("%llu events, %llu errors\n", (unsigned long long)events_total, (unsigned long long)errors_total);
    return 0;
}
