/* Our side of bench/table.py: passes over all events by an engine with a context, timed inside the process, as processor
   time of the thread, so that other work on the machine counts little. */
#define _DEFAULT_SOURCE 1
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "sm_boundary.h"

#define BATCH 256u
#define ROOM 65536u

static sm_fired fired[ROOM];
static sm_chunk chunks[BATCH / 64];

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Nanoseconds; 0 if the engine did not decide all. */
uint64_t table_run(sm_match_function *match, const sm_table *tables, const uint8_t *buffer, const sm_event *events,
                   uint64_t n, uint64_t passes)
{
    const sm_context context = {.tables = tables};
    uint64_t start = now_ns();
    for (uint64_t pass = 0; pass < passes; pass++)
        for (uint64_t i = 0; i < n; i += BATCH)
            if (match(buffer, events + i, BATCH, &context, chunks, fired, ROOM, 0) != BATCH)
                return 0;
    return now_ns() - start;
}

/* rule[i]: of event i, the first that fired; it is left alone where none did. */
void table_answer(sm_match_function *match, const sm_table *tables, const uint8_t *buffer, const sm_event *events, uint64_t n,
                  uint16_t *rule)
{
    const sm_context context = {.tables = tables};
    for (uint64_t i = 0; i < n; i += BATCH) {
        const sm_fired *entry = fired;
        match(buffer, events + i, BATCH, &context, chunks, fired, ROOM, 0);
        for (uint64_t c = 0; c < BATCH / 64; c++)
            for (uint32_t k = 0; k < chunks[c].fired; k++, entry++)
                for (uint64_t left = entry->events; left; left &= left - 1)
                    rule[i + 64 * c + (uint64_t)__builtin_ctzll(left)] = (uint16_t)entry->rule;
    }
}
