/* Ours, libpcap and the floor of bench/filter.py: passes over all events, timed inside the process, in processor time. hits: of one pass. */
#define _DEFAULT_SOURCE 1 /* clock_gettime, and the BSD names in libpcap headers */
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "sm_boundary.h"

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* what others do on the machine is not counted */
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

#ifdef WITH_PCAP
#include <pcap/pcap.h>

static struct bpf_program program;

int peer_compile(const char *text, char *error, size_t size)
{
    pcap_t *pcap = pcap_open_dead(DLT_EN10MB, 262144);
    int status = pcap_compile(pcap, &program, text, 1, PCAP_NETMASK_UNKNOWN);
    for (size_t i = 0; status && i + 1 < size && (error[i] = pcap_geterr(pcap)[i]); i++)
        error[i + 1] = 0;
    pcap_close(pcap);
    return status ? -1 : (int)program.bf_len;
}

uint64_t peer_run(const uint8_t *buffer, const sm_event *events, uint64_t n, uint64_t passes,
                  uint64_t *hits)
{
    uint64_t start = now_ns(), count = 0;
    for (uint64_t pass = 0; pass < passes; pass++)
        for (uint64_t i = 0; i < n; i++) {
            const sm_event *e = events + i;
            count += bpf_filter(program.bf_insns, buffer + e->offset, e->wire_len, e->cap_len) != 0;
        }
    *hits = count / passes;
    return now_ns() - start;
}
#else
#define BATCH 256

/* The floor: a word of each packet is read. hits: so that the reads are not left out. */
uint64_t touch_run(const uint8_t *buffer, const sm_event *events, uint64_t n, uint64_t passes, uint64_t *hits)
{
    uint64_t start = now_ns(), sum = 0;
    for (uint64_t pass = 0; pass < passes; pass++)
        for (uint64_t i = 0; i < n; i++) {
            uint32_t word;
            memcpy(&word, buffer + events[i].offset + 12, sizeof word);
            sum += word;
        }
    *hits = sum;
    return now_ns() - start;
}

/* Engines of ABI 1. rows: as many as the engine writes; the filter is row 0. */
typedef void rows_function(const uint8_t *, const sm_event *, uint32_t, uint64_t *);

uint64_t rows_run(rows_function *match, const uint8_t *buffer, const sm_event *events, uint64_t n, uint64_t passes,
                  uint64_t *rows, uint64_t *hits)
{
    uint64_t start = now_ns(), count = 0;
    for (uint64_t pass = 0; pass < passes; pass++)
        for (uint64_t i = 0; i < n; i += BATCH) {
            match(buffer, events + i, n - i < BATCH ? (uint32_t)(n - i) : BATCH, rows);
            for (int w = 0; w < BATCH / 64; w++)
                count += (uint64_t)__builtin_popcountll(rows[w]);
        }
    *hits = count / passes;
    return now_ns() - start;
}

/* Engines that say which rules fired, of one rule. chunks and fired: BATCH / 64 at least. */
uint64_t sparse_run(sm_match_function *match, const uint8_t *buffer, const sm_event *events, uint64_t n,
                    uint64_t passes, sm_chunk *chunks, sm_fired *fired, uint64_t *hits)
{
    const sm_context context = {0};
    uint64_t start = now_ns(), count = 0;
    for (uint64_t pass = 0; pass < passes; pass++)
        for (uint64_t i = 0; i < n; i += BATCH) {
            const uint64_t here = n - i < BATCH ? n - i : BATCH;
            const sm_fired *entry = fired;
            match(buffer, events + i, here, &context, chunks, fired, BATCH / 64, NULL);
            for (uint64_t chunk = 0; chunk < (here + 63) / 64; chunk++)
                for (uint32_t left = chunks[chunk].fired; left; left--)
                    count += (uint64_t)__builtin_popcountll(entry++->events);
        }
    *hits = count / passes;
    return now_ns() - start;
}
#endif
