/* bench/events.py: the engine alone over 64-byte events, and the floor. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "sm_boundary.h"

#define SIZE 64
#define BATCH 1024
#define AHEAD 32

/* How often each rule fired is added to counts. chunks: BATCH / 64; room: entries of fired. */
void engine_run(sm_match_function *match, const uint8_t *buffer, uint64_t n, sm_chunk *chunks, sm_fired *fired,
                uint64_t room, uint64_t *counts)
{
    static sm_event table[BATCH]; /* the same for every batch: where it begins is told by the buffer */
    const sm_context context = {0};
    for (uint64_t i = 0; i < BATCH; i++)
        table[i] = (sm_event){.offset = SIZE * i, .cap_len = SIZE, .wire_len = SIZE};
    for (uint64_t i = 0, done; i < n; i += done) {
        const uint64_t here = n - i < BATCH ? n - i : BATCH;
        const sm_fired *entry = fired;
        done = match(buffer + SIZE * i, table, here, &context, chunks, fired, room, NULL);
        if (!done)
            return;
        for (uint64_t chunk = 0; chunk < (done + 63) / 64; chunk++)
            for (uint32_t left = chunks[chunk].fired; left; left--, entry++)
                counts[entry->rule] += (uint64_t)__builtin_popcountll(entry->events);
    }
}

/* The floor: a word of each event is read, and asked for AHEAD events before. */
uint64_t touch_run(const uint8_t *buffer, uint64_t n)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t word;
        memcpy(&word, buffer + SIZE * i + 8, sizeof word);
        __builtin_prefetch(buffer + SIZE * (i + AHEAD)); /* past the end it does nothing */
        sum += word;
    }
    return sum;
}
