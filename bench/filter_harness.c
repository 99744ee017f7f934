/* Both sides of bench/filter.py: passes over all events, timed inside the process. hits: of one pass. */
#define _DEFAULT_SOURCE 1 /* clock_gettime, and the BSD names in libpcap headers */
#include <stddef.h>
#include <stdint.h>
#include <time.h>

typedef struct {
    uint64_t offset, ts_ns;
    uint32_t cap_len, wire_len;
} sm_event;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
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
typedef void match_function(const uint8_t *, const sm_event *, uint32_t, uint64_t *);

/* rows: as many as the engine writes; the filter is row 0. */
uint64_t engine_run(match_function *match, const uint8_t *buffer, const sm_event *events, uint64_t n,
                    uint64_t passes, uint64_t *rows, uint64_t *hits)
{
    uint64_t start = now_ns(), count = 0;
    for (uint64_t pass = 0; pass < passes; pass++)
        for (uint64_t i = 0; i < n; i += 256) {
            match(buffer, events + i, n - i < 256 ? (uint32_t)(n - i) : 256, rows);
            for (int w = 0; w < 4; w++)
                count += (uint64_t)__builtin_popcountll(rows[w]);
        }
    *hits = count / passes;
    return now_ns() - start;
}
#endif
