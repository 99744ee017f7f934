/* A peer of bench/filter.py: DPDK's rte_bpf, the same libpcap program converted and compiled to machine code. Passes over
   all events, timed inside the process, in processor time. hits: of one pass. */
#define _GNU_SOURCE 1
#include <pcap/pcap.h>
#include <rte_bpf.h>
#include <rte_eal.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <sched.h>
#include <stdint.h>
#include <time.h>

#include "sm_boundary.h"

#define BURST 32

static struct rte_bpf *loaded;
static uint64_t (*jit)(void *);

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The EAL pins the thread that starts it, which would be charged to the sides that run in it too. */
static int start_eal(void)
{
    static int started;
    char *arguments[] = {"peer", "--no-huge", "--no-pci", "--no-shconf", "--no-telemetry", "-m", "64",
                         "--log-level=1", "-l", "0"};
    cpu_set_t allowed;
    if (started)
        return 0;
    if (sched_getaffinity(0, sizeof allowed, &allowed) || rte_eal_init(10, arguments) < 0)
        return -1;
    started = 1;
    return sched_setaffinity(0, sizeof allowed, &allowed);
}

/* 0, or which step failed. */
int peer_compile(const char *text)
{
    struct bpf_program program;
    struct rte_bpf_jit code;
    if (start_eal())
        return 1;
    pcap_t *pcap = pcap_open_dead(DLT_EN10MB, 262144);
    int failed = pcap_compile(pcap, &program, text, 1, PCAP_NETMASK_UNKNOWN);
    pcap_close(pcap);
    if (failed)
        return 2;
    struct rte_bpf_prm *converted = rte_bpf_convert(&program);
    pcap_freecode(&program);
    if (!converted)
        return 3;
    rte_bpf_destroy(loaded);
    loaded = rte_bpf_load(converted);
    rte_free(converted);
    if (!loaded)
        return 4;
    if (rte_bpf_get_jit(loaded, &code) || !code.func)
        return 5;
    jit = code.func;
    return 0;
}

/* The program takes an mbuf. What it looks at of one is filled in, a burst at a time, in mbufs that stay in the cache:
   its driver would have done so, and a cache line of each would have come from there. */
uint64_t peer_run(const uint8_t *buffer, const sm_event *events, uint64_t n, uint64_t passes, uint64_t *hits)
{
    static struct rte_mbuf mbufs[BURST];
    for (int i = 0; i < BURST; i++)
        mbufs[i].nb_segs = 1;
    uint64_t start = now_ns(), count = 0;
    for (uint64_t pass = 0; pass < passes; pass++)
        for (uint64_t i = 0; i < n; i += BURST) {
            const uint64_t here = n - i < BURST ? n - i : BURST;
            for (uint64_t j = 0; j < here; j++) {
                const sm_event *e = events + i + j;
                mbufs[j].buf_addr = (void *)(uintptr_t)(buffer + e->offset);
                mbufs[j].data_len = (uint16_t)e->cap_len;
                mbufs[j].pkt_len = e->cap_len;
            }
            for (uint64_t j = 0; j < here; j++)
                count += jit(&mbufs[j]) != 0;
        }
    *hits = count / passes;
    return now_ns() - start;
}
