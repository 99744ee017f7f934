/* Puts frames into a DPDK device of the process that loads this, through its own way out: what net_ring sends it receives. */
#include <errno.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <string.h>

/* Of drivers, whose headers are not installed: the first of all ports, and what a driver calls. */
extern char rte_eth_devices[];
int rte_eth_dev_callback_process(void *device, enum rte_eth_event_type event, void *argument);

enum { MBUFS = 4095, ROOM = 2048 };

static struct rte_mempool *pool;

/* Mbufs that nobody has: all 4,095 of them once everything was released. */
unsigned feed_free(void)
{
    return pool ? rte_mempool_avail_count(pool) : MBUFS;
}

/* A frame in so many pieces of about the same size, each in an mbuf of its own, as a driver with these flags hands it
 * over. `lie` is added to the length that it says. 1: it is in the device, 0: there was no room, or -errno. */
int feed(const char *device, unsigned queue, const uint8_t *frame, uint32_t length, uint32_t pieces, uint64_t flags,
         unsigned tag, unsigned outer, int lie)
{
    struct rte_mbuf *first = 0, *last = 0;
    uint32_t at = 0;
    uint16_t id;
    if (rte_eth_dev_get_port_by_name(device, &id))
        return -ENODEV;
    if (!pool)
        pool = rte_pktmbuf_pool_create("feed", MBUFS, 0, 0, RTE_PKTMBUF_HEADROOM + ROOM, SOCKET_ID_ANY);
    if (!pool)
        return -rte_errno;
    for (uint32_t i = 0; i < pieces; i++) {
        struct rte_mbuf *const m = rte_pktmbuf_alloc(pool);
        const uint32_t size = i + 1 < pieces ? length / pieces : length - at;
        if (!m || size > ROOM)
            return -ENOBUFS;
        memcpy(rte_pktmbuf_append(m, (uint16_t)size), frame + at, size);
        at += size;
        if (first)
            last->next = m;
        else
            first = m;
        last = m;
    }
    first->nb_segs = (uint16_t)pieces;
    first->pkt_len = (uint32_t)((int)length + lie);
    first->ol_flags = flags;
    first->vlan_tci = (uint16_t)tag;
    first->vlan_tci_outer = (uint16_t)outer;
    if (rte_eth_tx_burst(id, (uint16_t)queue, &first, 1))
        return 1;
    rte_pktmbuf_free(first);
    return 0;
}

uint64_t feed_flags(int vlan, int qinq)
{
    return (vlan ? RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED : 0) |
           (qinq ? RTE_MBUF_F_RX_QINQ | RTE_MBUF_F_RX_QINQ_STRIPPED : 0);
}

/* What a driver does when its card was pulled out. */
int feed_unplug(const char *device)
{
    uint16_t id;
    if (rte_eth_dev_get_port_by_name(device, &id) || id)
        return -ENODEV;
    return rte_eth_dev_callback_process(rte_eth_devices, RTE_ETH_EVENT_INTR_RMV, 0);
}
