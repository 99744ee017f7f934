/* Runs an engine in a process of its own, for machines that are emulated and for builds that look for mistakes.

   standard input    numbers {events, bytes, room, port, tables}, the events, their bytes; for each table {n, steps,
                     rows} and its arrays, each as {bytes} and the bytes, none where the struct has null; the last one
                     is {segments}, and those follow in the same form
   standard output   {level} that the engine was compiled for, one chunk per 64 events, {entries} and the entries, a mask of ports per event if it has ports

   All numbers are of 64 bits. Every array ends where no memory is, the bytes of the events also begin there in a second
   run, and the stack holds rubbish before each call: what reads or writes elsewhere, or reads what it did not write, is
   found. Exit code 3: the two runs differ. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "sm_boundary.h"

extern const struct sm_info sm_info;
extern sm_match_function sm_match;
extern uint64_t sm_state_bytes(uint32_t state);

#define PAGE UINT64_C(65536) /* the largest that any kernel here has */
#define RUBBISH 0xa5

static void fail(const char *what)
{
    fprintf(stderr, "engine driver: %s\n", what);
    exit(2);
}

static void take(void *to, uint64_t bytes)
{
    if (fread(to, 1, bytes, stdin) != bytes)
        fail("the input ends early");
}

static uint64_t number(void)
{
    uint64_t out;
    take(&out, sizeof out);
    return out;
}

/* Memory full of rubbish, between pages that cannot be touched: it ends at the one behind it, or begins at the one
   before. */
static uint8_t *fenced(uint64_t bytes, int at_begin)
{
    uint64_t inside = (bytes + PAGE - 1) / PAGE * PAGE;
    uint8_t *base = mmap(NULL, inside + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED || (inside && mprotect(base + PAGE, inside, PROT_READ | PROT_WRITE)))
        fail("no memory");
    memset(base + PAGE, RUBBISH, inside);
    return base + PAGE + (at_begin ? 0 : inside - bytes);
}

static const void *array(void)
{
    uint64_t bytes = number();
    if (!bytes)
        return NULL;
    uint8_t *out = fenced((bytes + 63) / 64 * 64, 0); /* arrays of tables are aligned to 64 bytes */
    take(out, bytes);
    return out;
}

static __attribute__((noinline)) void scribble(void)
{
    volatile uint8_t rubbish[512 << 10];
    for (size_t i = 0; i < sizeof rubbish; i++)
        rubbish[i] = RUBBISH;
}

struct answer {
    sm_chunk *chunks;
    sm_fired *fired;
    uint64_t entries;
    uint16_t *ports;
};

static struct answer decide(const uint8_t *buffer, const sm_event *events, uint64_t n, sm_context *context, uint64_t room)
{
    const uint64_t count = (n + 63) / 64;
    const int has_ports = (sm_info.flags & SM_INFO_DYNAMIC_PORTS) != 0;
    sm_state **states = (sm_state **)(void *)fenced((sm_info.states + 1) * sizeof *states, 0);
    for (uint32_t i = 0; i < sm_info.states; i++) {
        uint64_t bytes = (sm_state_bytes(i) + 63) / 64 * 64;
        states[i] = (sm_state *)(void *)memset(fenced(bytes, 0), 0, bytes);
    }
    context->states = states;
    struct answer out = {(sm_chunk *)(void *)fenced(count * sizeof(sm_chunk), 0),
                         (sm_fired *)(void *)malloc((count * sm_info.fired_max + 1) * sizeof(sm_fired)), 0,
                         has_ports ? (uint16_t *)(void *)fenced(n * sizeof(uint16_t), 0) : NULL};
    sm_fired *fired = (sm_fired *)(void *)fenced(room * sizeof *fired, 0);
    for (uint64_t at = 0; at < n;) {
        scribble();
        uint64_t done = sm_match(buffer, events + at, n - at, context, out.chunks + at / 64, fired, room,
                                 has_ports ? out.ports + at : NULL);
        if (!done || done > n - at || (done < n - at && done % 64))
            fail("not whole chunks, and at least one");
        for (uint64_t chunk = at / 64, from = 0; chunk < (at + done + 63) / 64; chunk++) {
            if (out.chunks[chunk].fired > sm_info.fired_max)
                fail("more entries than a chunk can have");
            memcpy(out.fired + out.entries, fired + from, out.chunks[chunk].fired * sizeof *fired);
            out.entries += out.chunks[chunk].fired;
            from += out.chunks[chunk].fired;
        }
        at += done;
    }
    return out;
}

int main(void)
{
    const uint64_t n = number(), bytes = number(), room = number(), port = number(), tables = number();
    if (tables != sm_info.tables || room < sm_info.fired_max)
        fail("the engine has other tables, or needs more room");
    sm_event *events = (sm_event *)(void *)fenced(n * sizeof *events, 0);
    take(events, n * sizeof *events);
    uint8_t *high = fenced(bytes, 0), *low = fenced(bytes, 1);
    take(high, bytes);
    memcpy(low, high, bytes);
    sm_table *rows = (sm_table *)(void *)fenced(tables * sizeof *rows, 0);
    for (uint64_t t = 0; t < tables; t++) {
        rows[t] = (sm_table){.n = (uint32_t)number(), .steps = (uint32_t)number(), .rows = (uint32_t)number()};
        rows[t].a = array();
        rows[t].b = array();
        rows[t].edge = array();
        rows[t].row = array();
        rows[t].bits = array();
        rows[t].values = array();
        const uint64_t *segments = array();
        const sm_segment **segment = (const sm_segment **)(void *)fenced(*segments * sizeof *segment, 0);
        for (uint64_t i = 0; i < *segments; i++)
            segment[i] = array();
        rows[t].segment = segment;
    }
    sm_context context = {.tables = rows, .port = (uint32_t)port};
    struct answer one = decide(high, events, n, &context, room), two = decide(low, events, n, &context, room);
    const uint64_t chunk_bytes = (n + 63) / 64 * sizeof(sm_chunk), fired_bytes = one.entries * sizeof(sm_fired);
    if (one.entries != two.entries || memcmp(one.chunks, two.chunks, chunk_bytes)
        || memcmp(one.fired, two.fired, fired_bytes) || (one.ports && memcmp(one.ports, two.ports, n * sizeof *one.ports)))
        return 3;
    const uint64_t level = sm_info.level;
    fwrite(&level, sizeof level, 1, stdout);
    fwrite(one.chunks, 1, chunk_bytes, stdout);
    fwrite(&one.entries, sizeof one.entries, 1, stdout);
    fwrite(one.fired, 1, fired_bytes, stdout);
    if (one.ports)
        fwrite(one.ports, sizeof *one.ports, n, stdout);
    return fflush(stdout) ? 2 : 0;
}
