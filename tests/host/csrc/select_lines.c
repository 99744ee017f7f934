/* Runs under the sanitizers: packets of random bytes, mostly such as headers are made of, are counted, written and
 * described, with an engine that decides at random. Every buffer is allocated to the byte, and what the selection says
 * is what the engine did. Arguments: rounds, seed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "select.h"

static uint64_t state, lines;
static uint64_t fires[64]; /* what the engine says of the next chunks, and of those after them again */
static uint64_t chunk_at;

static uint32_t below(uint32_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 11) % n);
}

static void *exactly(size_t size)
{
    void *memory = malloc(size ? size : 1);
    CHECK(memory);
    return memory;
}

/* The first of a chunk's events, so many of them as there are. */
static uint64_t within(uint64_t left)
{
    return left < 64 ? (UINT64_C(1) << left) - 1 : UINT64_MAX;
}

static uint64_t match(const uint8_t *buffer, const sm_event *events, uint64_t n, const sm_context *context,
                      sm_chunk *chunks, sm_fired *fired, uint64_t room, uint16_t *ports)
{
    (void)buffer, (void)events, (void)context, (void)ports;
    uint64_t at = 0, used = 0;
    for (; at < n && room - used >= 2; at += 64) {
        const uint64_t word = fires[chunk_at++ % 64] & within(n - at);
        chunks[at / 64] = (sm_chunk){0, 0, 0, word ? 2 : 0, 0};
        if (word) { /* two rules, that overlap */
            fired[used++] = (sm_fired){word, 0, 0};
            fired[used++] = (sm_fired){word & (word - 1) ? word & (word - 1) : word, 1, 0};
        }
    }
    return at < n ? at : n;
}

static uint8_t header_byte(void)
{
    static const uint8_t BYTES[] = {0, 1, 2, 4, 6, 8, 0x11, 0x20, 0x2b, 0x2c, 0x3a, 0x3c, 0x40, 0x45, 0x4f, 0x60,
                                    0x81, 0x84, 0x86, 0x88, 0xa8, 0x91, 0xcc, 0xdd, 0xff};
    return below(4) ? BYTES[below(sizeof BYTES)] : (uint8_t)below(256);
}

/* A frame whose EtherType means something more often than not. */
static uint32_t frame(uint8_t *to, uint32_t n)
{
    static const uint8_t TYPES[][2] = {{8, 0}, {0x86, 0xdd}, {8, 6}, {0x81, 0}, {0x88, 0xa8}, {0x91, 0}};
    for (uint32_t i = 0; i < n; i++)
        to[i] = header_byte();
    for (uint32_t at = 12; at + 2 <= n && below(8); at += 4) {
        const uint8_t *type = TYPES[below(6)];
        memcpy(to + at, type, 2);
        if (type[0] == 8 || type[0] == 0x86)
            break;
    }
    return n;
}

static void one(uint32_t form)
{
    const uint32_t n = below(300);
    sm_event *events = exactly(n * sizeof *events);
    uint64_t size = 0, matched = 0;
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t length = below(8) ? below(100) : below(400);
        events[i] = (sm_event){size, (uint64_t)below(UINT32_MAX) << 32 | below(UINT32_MAX), length, length + below(9)};
        size += length;
    }
    /* The last packet ends with the buffer, so that what is read past a packet's end is found sooner or later. */
    uint8_t *buffer = exactly(size);
    for (uint32_t i = 0; i < n; i++)
        frame(buffer + events[i].offset, events[i].cap_len);
    for (uint32_t i = 0; i < 64; i++)
        fires[i] = below(3) ? (uint64_t)below(UINT32_MAX) << 32 | below(UINT32_MAX) : 0;
    chunk_at = 0;
    for (uint64_t at = 0, chunk = 0; at < n; at += 64, chunk++)
        matched += (uint64_t)__builtin_popcountll(fires[chunk] & within(n - at));

    sm_memory_ingress ingress;
    sm_memory_ingress_open(&ingress, buffer, events, n, 64 * (1 + below(4)), 1, 0);
    sm_selection *s = calloc(1, sizeof *s);
    CHECK(s);
    s->match = match;
    s->chunks = exactly(SM_SELECT_SPAN / 64 * sizeof *s->chunks);
    s->room = 2 + below(20);
    s->fired = exactly(s->room * sizeof *s->fired);
    s->form = form;
    s->most = UINT64_MAX;
    /* Room for one of these packets at least. */
    s->out_size = (form == SM_SELECT_LINES ? SM_LINE_MAX : 16 + 400) + below(3000);
    s->out = form == SM_SELECT_COUNT ? 0 : exactly(s->out_size);
    uint64_t seen = 0;
    for (;;) {
        const int why = sm_select(s, &ingress.base);
        CHECK(why == SM_SELECT_END || why == SM_SELECT_ROOM);
        CHECK(s->used <= s->out_size);
        if (form == SM_SELECT_LINES)
            for (uint64_t i = 0; i < s->used; i++) {
                CHECK(s->out[i] == '\n' || (s->out[i] >= ' ' && s->out[i] < 0x7f));
                seen += s->out[i] == '\n';
            }
        s->used = 0;
        if (why == SM_SELECT_END)
            break;
    }
    CHECK(s->events == n && s->matched == matched);
    CHECK(form != SM_SELECT_LINES || seen == matched);
    lines += seen;
    free(s->chunks);
    free(s->fired);
    free(s->out);
    free(s);
    free(buffer);
    free(events);
}

/* Each frame by itself, so that the first byte after it is found to be read. */
static void alone(void)
{
    const uint32_t n = below(8) ? below(80) : below(260);
    uint8_t *data = exactly(n);
    const sm_event event = {0, 0, frame(data, n), n};
    char *out = exactly(SM_LINE_MAX);
    sm_date date = {0};
    CHECK(sm_line(out, UINT64_MAX, data, &event, &date) <= SM_LINE_MAX);
    free(out);
    free(data);
}

int main(int argc, char **argv)
{
    CHECK(argc == 3);
    const long rounds = atol(argv[1]);
    state = strtoull(argv[2], 0, 10);
    for (long round = 0; round < rounds; round++) {
        one((uint32_t)round % 3);
        for (int i = 0; i < 200; i++)
            alone();
    }
    printf("%llu lines\n", (unsigned long long)lines);
    return 0;
}
