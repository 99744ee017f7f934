/* A process of its own that sends frames by DPDK, all of them so many times over, and waits where there is no room.
 * Arguments: device as DPDK names it, a file of frames (length in 4 bytes, little endian, then the bytes), times.
 * It ends with its input, because a device that goes takes along what was not received yet. */
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

enum { MBUFS = 8191, WAIT_S = 30 };

static struct rte_mbuf *made(struct rte_mempool *pool, const uint8_t *frame, uint32_t length)
{
    struct rte_mbuf *first = rte_pktmbuf_alloc(pool), *last = first;
    if (!first)
        return 0;
    for (uint32_t at = 0; at < length;) {
        uint32_t size = rte_pktmbuf_tailroom(last);
        if (size > length - at)
            size = length - at;
        memcpy(rte_pktmbuf_append(last, 0), frame + at, size);
        last->data_len = (uint16_t)(last->data_len + size);
        first->pkt_len += size;
        at += size;
        if (at < length) {
            last->next = rte_pktmbuf_alloc(pool);
            if (!last->next) {
                rte_pktmbuf_free(first);
                return 0;
            }
            last = last->next;
            first->nb_segs++;
        }
    }
    return first;
}

int main(int argc, char **argv)
{
    char device[512];
    CHECK(argc == 4 && snprintf(device, sizeof device, "--vdev=%s", argv[1]) < (int)sizeof device);
    char *words[] = {"send", "--no-telemetry", "--no-pci", "--no-shconf", "--no-huge", "-m", "128", device};
    CHECK(rte_eal_init(8, words) >= 0);
    FILE *const file = fopen(argv[2], "rb");
    CHECK(file);
    fseek(file, 0, SEEK_END);
    const uint64_t size = (uint64_t)ftell(file);
    uint8_t *const frames = malloc(size);
    rewind(file);
    CHECK(frames && fread(frames, 1, size, file) == size);
    struct rte_mempool *const pool = rte_pktmbuf_pool_create("send", MBUFS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
    const struct rte_eth_conf conf = {0};
    struct rte_eth_link link = {0};
    CHECK(pool && rte_eth_dev_count_avail() == 1);
    CHECK(rte_eth_dev_configure(0, 1, 1, &conf) == 0);
    CHECK(rte_eth_rx_queue_setup(0, 0, 512, (unsigned)SOCKET_ID_ANY, 0, pool) == 0);
    CHECK(rte_eth_tx_queue_setup(0, 0, 512, (unsigned)SOCKET_ID_ANY, 0) == 0);
    CHECK(rte_eth_dev_start(0) == 0);
    for (int tenths = 0; tenths < 10 * WAIT_S && !link.link_status; tenths++) {
        CHECK(rte_eth_link_get_nowait(0, &link) == 0);
        rte_delay_ms(100);
    }
    CHECK(link.link_status);
    uint64_t sent = 0;
    const uint64_t end = rte_get_timer_cycles() + WAIT_S * rte_get_timer_hz();
    for (long times = atol(argv[3]); times > 0; times--)
        for (uint64_t at = 0; at < size;) {
            uint32_t length;
            memcpy(&length, frames + at, sizeof length);
            struct rte_mbuf *m;
            while (!(m = made(pool, frames + at + sizeof length, length)))
                CHECK(rte_get_timer_cycles() < end);
            while (!rte_eth_tx_burst(0, 0, &m, 1))
                CHECK(rte_get_timer_cycles() < end);
            sent++;
            at += sizeof length + length;
        }
    printf("%llu\n", (unsigned long long)sent);
    fflush(stdout);
    (void)!getchar();
    return 0;
}
