/* A peer of bench/filter.py: libpcap's program in DPDK's rte_bpf, compiled by its JIT, timed inside the process, in
   processor time. The packets stay where they are: one mbuf is led from one to the next. */
#define _GNU_SOURCE 1
#include <pcap/pcap.h>
#include <rte_bpf.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "sm_boundary.h"

static struct rte_bpf_jit jit;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Instructions of the converted program, or less than 0 with an error. */
int peer_compile(const char *text, char *error, size_t size)
{
    static int started;
    char *arguments[] = {"peer", "--no-huge", "--no-pci", "--no-shconf", "--no-telemetry", "-m", "64",
                         "--log-level=1", "-l", "0"};
    if (!started && rte_eal_init(10, arguments) < 0) {
        snprintf(error, size, "rte_eal_init: %s", rte_strerror(rte_errno));
        return -1;
    }
    started = 1;
    struct bpf_program program;
    pcap_t *pcap = pcap_open_dead(DLT_EN10MB, 262144);
    if (pcap_compile(pcap, &program, text, 1, PCAP_NETMASK_UNKNOWN)) {
        snprintf(error, size, "%s", pcap_geterr(pcap));
        pcap_close(pcap);
        return -1;
    }
    pcap_close(pcap);
    struct rte_bpf_prm *parameters = rte_bpf_convert(&program);
    struct rte_bpf *loaded = parameters ? rte_bpf_load(parameters) : NULL;
    if (!loaded || rte_bpf_get_jit(loaded, &jit) || !jit.func) {
        snprintf(error, size, "rte_bpf: %s", rte_strerror(rte_errno));
        return -2;
    }
    return (int)parameters->nb_ins;
}

uint64_t peer_run(const uint8_t *buffer, const sm_event *events, uint64_t n, uint64_t passes, uint64_t *hits)
{
    static struct rte_mbuf mbuf;
    mbuf.nb_segs = 1;
    uint64_t start = now_ns(), count = 0;
    for (uint64_t pass = 0; pass < passes; pass++)
        for (uint64_t i = 0; i < n; i++) {
            const sm_event *e = events + i;
            mbuf.buf_addr = (void *)(uintptr_t)(buffer + e->offset);
            mbuf.pkt_len = mbuf.data_len = (uint16_t)e->cap_len;
            count += jit.func(&mbuf) != 0;
        }
    *hits = count / passes;
    return now_ns() - start;
}
