/* A linear scan of five-tuple rules, the judge of bench/classify_check.py: it shares nothing with any classifier. Also
   what an engine answered, in the same form. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "sm_boundary.h"

#define FIELDS 5
#define ROOM 1048576u
#define NONE 0xffffffffu

/* A sum of these over a set of rules tells sets apart. */
static uint64_t mixed(uint64_t rule)
{
    uint64_t x = (rule + 1) * UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* first[i]: the first rule of header i, NONE if none; every[i]: the sum over all of its rules. A column a field:
   value[f * n + i], lo[f * rules + r]. ``all`` 0: only the first is looked for. */
void scan(const uint32_t *value, uint64_t n, const uint32_t *lo, const uint32_t *hi, uint32_t rules, int all, uint32_t *first,
          uint64_t *every)
{
    for (uint64_t i = 0; i < n; i++) {
        first[i] = NONE;
        every[i] = 0;
        for (uint32_t r = 0; r < rules; r++) {
            int inside = 1;
            for (unsigned f = 0; f < FIELDS && inside; f++)
                inside = lo[f * (uint64_t)rules + r] <= value[f * n + i] && value[f * n + i] <= hi[f * (uint64_t)rules + r];
            if (!inside)
                continue;
            if (first[i] == NONE)
                first[i] = r;
            every[i] += mixed(r);
            if (!all)
                break;
        }
    }
}

/* The same of an engine; ``n`` is a multiple of 64. Gives the events that were decided. */
uint64_t answer(sm_match_function *match, const uint8_t *buffer, const sm_event *events, uint64_t n, uint32_t *first,
                uint64_t *every)
{
    static sm_fired fired[ROOM];
    static sm_chunk chunk;
    static const sm_context context;
    for (uint64_t i = 0; i < n; i++) {
        first[i] = NONE;
        every[i] = 0;
    }
    for (uint64_t from = 0; from < n; from += 64) {
        if (match(buffer, events + from, 64, &context, &chunk, fired, ROOM, 0) != 64)
            return from;
        for (uint32_t k = 0; k < chunk.fired; k++)
            for (uint64_t left = fired[k].events; left; left &= left - 1) {
                uint64_t i = from + (uint64_t)__builtin_ctzll(left);
                first[i] = fired[k].rule < first[i] ? fired[k].rule : first[i];
                every[i] += mixed(fired[k].rule);
            }
    }
    return n;
}
