/* Our side of bench/classify.py: passes over all events by an engine of either interface, timed inside the process, as
   processor time of the thread, so that other work on the machine counts little. */
#define _DEFAULT_SOURCE 1
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "sm_boundary.h"

#define NO_RULE 0xffffu
#define ROOM 65536u

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Interface 1: a row of bits for each rule, 256 events at a time. */
typedef void match_rows(const uint8_t *, const sm_event *, uint32_t, uint64_t *);

uint64_t rows_run(match_rows *match, const uint8_t *buffer, const sm_event *events, uint64_t n, uint64_t passes,
                  uint64_t *rows)
{
    uint64_t start = now_ns();
    for (uint64_t pass = 0; pass < passes; pass++)
        for (uint64_t i = 0; i < n; i += 256)
            match(buffer, events + i, 256, rows);
    return now_ns() - start;
}

void rows_answer(match_rows *match, const uint8_t *buffer, const sm_event *events, uint64_t n, uint64_t *rows,
                 uint32_t rules, uint16_t *rule)
{
    for (uint64_t i = 0; i < n; i += 256) {
        match(buffer, events + i, 256, rows);
        for (uint32_t r = 0; r < rules; r++)
            for (uint64_t j = 0; j < 256; j++)
                if (rows[4 * (uint64_t)r + j / 64] >> (j & 63) & 1)
                    rule[i + j] = (uint16_t)r;
    }
}

/* Interface 2: an entry for each rule that fired on some of 64 events. */
static sm_fired fired[ROOM];
static sm_chunk chunks[4];

uint64_t sparse_run(sm_match_function *match, const uint8_t *buffer, const sm_event *events, uint64_t n, uint64_t passes)
{
    static const sm_context context;
    uint64_t start = now_ns();
    for (uint64_t pass = 0; pass < passes; pass++)
        for (uint64_t i = 0; i < n; i += 256)
            if (match(buffer, events + i, 256, &context, chunks, fired, ROOM, 0) != 256)
                return 0;
    return now_ns() - start;
}

/* Also the bytes that were written. */
uint64_t sparse_answer(sm_match_function *match, const uint8_t *buffer, const sm_event *events, uint64_t n, uint16_t *rule)
{
    static const sm_context context;
    uint64_t bytes = 0;
    for (uint64_t i = 0; i < n; i += 256) {
        const sm_fired *entry = fired;
        match(buffer, events + i, 256, &context, chunks, fired, ROOM, 0);
        for (uint64_t c = 0; c < 4; c++) {
            bytes += sizeof(sm_chunk) + chunks[c].fired * sizeof(sm_fired);
            for (uint32_t k = 0; k < chunks[c].fired; k++, entry++)
                for (uint64_t left = entry->events; left; left &= left - 1)
                    rule[i + 64 * c + (uint64_t)__builtin_ctzll(left)] = (uint16_t)entry->rule;
        }
    }
    return bytes;
}
