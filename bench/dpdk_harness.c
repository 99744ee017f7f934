/* What bench/dpdk.py measures beside the loop: a device that is polled and its frames given back, by DPDK alone and
 * through the ingress. */
#include <errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "ingress.h"

enum { BURST_MAX = 256 };

/* At least n frames of the device's first queue, so many at a time at most, nobody looks at them. How many, or -errno. */
int64_t bench_poll(const char *device, uint16_t burst, int64_t n)
{
    struct rte_mbuf *mbufs[BURST_MAX];
    int64_t seen = 0;
    uint16_t id;
    if (burst > BURST_MAX || rte_eth_dev_get_port_by_name(device, &id))
        return -ENODEV;
    while (seen < n) {
        const uint16_t got = rte_eth_rx_burst(id, 0, mbufs, burst);
        rte_pktmbuf_free_bulk(mbufs, got);
        seen += got;
    }
    return seen;
}

/* At least n events, received and given back. How many. */
int64_t bench_receive(sm_ingress *ingress, int64_t n)
{
    sm_burst burst;
    int64_t seen = 0;
    while (seen < n && ingress->ops->next(ingress, &burst) == SM_INGRESS_READY) {
        seen += (int64_t)burst.n;
        ingress->ops->release(ingress, &burst);
    }
    return seen;
}
