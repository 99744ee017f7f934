#include "ingress_live_dpdk.h"

#include <errno.h>
#include <net/if.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_log.h>
#include <rte_mbuf.h>
#include <rte_pause.h>
#include <rte_prefetch.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"

#define DESCRIPTORS 4096    /* asked for: what comes while the loop is elsewhere waits there */
#define CACHE 256           /* mbufs that a thread keeps at hand */
#define JUMBO_MTU 9000
#define SPINS 64            /* looks at every queue before there is nothing */
#define AHEAD 4             /* frames that are fetched before they are looked at */
#define SLEEP_US_MAX 1000
#define SLEEP_PART 8        /* of the time that nothing came */
#define TAG_BYTES 4
#define ADDRESS_BYTES 12    /* before the place of a tag */
#define LOG_BYTES 4096

#define STRIPPED (RTE_MBUF_F_RX_VLAN_STRIPPED | RTE_MBUF_F_RX_QINQ_STRIPPED)

static uint8_t taken[RTE_MAX_ETHPORTS]; /* ports that are open here */

/* What DPDK says */

static FILE *said;
static char said_bytes[LOG_BYTES];
static uint64_t said_at;

/* Keeps the end of what is written; called with the lock of `said`. */
static ssize_t keep(void *cookie, const char *text, size_t size)
{
    (void)cookie;
    for (size_t i = 0; i < size; i++)
        said_bytes[said_at++ % LOG_BYTES] = text[i];
    return (ssize_t)size;
}

void sm_dpdk_said(char *to, uint64_t size)
{
    uint64_t n = 0;
    if (said) {
        flockfile(said);
        fflush(said);
        uint64_t most = size - 1 < LOG_BYTES ? size - 1 : LOG_BYTES;
        for (uint64_t at = said_at > most ? said_at - most : 0; at < said_at; at++)
            to[n++] = said_bytes[at % LOG_BYTES];
        said_at = 0;
        funlockfile(said);
    }
    to[n] = 0;
}

int sm_dpdk_start(int argc, char **argv)
{
    if (!said)
        said = fopencookie(0, "w", (cookie_io_functions_t){.write = keep});
    if (!said)
        return -ENOMEM;
    rte_openlog_stream(said);
    fflush(stdout);
    const int done = rte_eal_init(argc, argv) < 0 ? -rte_errno : 0;
    fflush(stdout); /* it prints what it thinks of its arguments, to where that goes now */
    return done;
}

/* Receiving */

/* The frame as it was on the wire, in `to`, which has SM_LIVE_SLOT bytes: all its pieces, and the tags that the device took
 * out. Its length, 0 if it cannot be had, which is counted. */
static uint32_t join(sm_dpdk_ingress *ingress, const struct rte_mbuf *first, uint8_t *to)
{
    uint8_t tags[2 * TAG_BYTES];
    uint32_t n_tags = 0, n = 0;
    if (first->ol_flags & RTE_MBUF_F_RX_QINQ_STRIPPED) {
        tags[n_tags++] = 0x88, tags[n_tags++] = 0xa8;
        tags[n_tags++] = (uint8_t)(first->vlan_tci_outer >> 8), tags[n_tags++] = (uint8_t)first->vlan_tci_outer;
    }
    if (first->ol_flags & STRIPPED) {
        tags[n_tags++] = 0x81, tags[n_tags++] = 0x00;
        tags[n_tags++] = (uint8_t)(first->vlan_tci >> 8), tags[n_tags++] = (uint8_t)first->vlan_tci;
    }
    if ((uint64_t)first->pkt_len + n_tags > SM_LIVE_SLOT) {
        ingress->too_long++;
        return 0;
    }
    for (const struct rte_mbuf *m = first; m; m = m->next) {
        if (m->data_len > first->pkt_len - n) {
            ingress->live.damaged++;
            return 0;
        }
        memcpy(to + n, rte_pktmbuf_mtod(m, const uint8_t *), m->data_len);
        n += m->data_len;
    }
    if (!n || n != first->pkt_len || (n_tags && n < ADDRESS_BYTES)) {
        ingress->live.damaged++;
        return 0;
    }
    if (n_tags) {
        memmove(to + ADDRESS_BYTES + n_tags, to + ADDRESS_BYTES, n - ADDRESS_BYTES);
        memcpy(to + ADDRESS_BYTES, tags, n_tags);
        ingress->tagged++;
    }
    ingress->joined += first->nb_segs > 1;
    return n + n_tags;
}

/* The table of what is held; how many events. Frames that lie in one piece stay where they are. */
static uint32_t lay_out(sm_dpdk_ingress *ingress, uint32_t held)
{
    struct rte_mbuf *const *const mbufs = ingress->held;
    const uint64_t ts_ns = sm_now_ns();
    uint64_t lowest = UINT64_MAX;
    uint8_t *room = ingress->room;
    uint32_t n = 0;
    for (uint32_t i = 0; i < held && i < AHEAD; i++)
        rte_prefetch0(rte_pktmbuf_mtod(mbufs[i], const void *));
    for (uint32_t i = 0; i < held; i++) {
        const struct rte_mbuf *const m = mbufs[i];
        uint32_t length = m->data_len;
        const uint8_t *data = rte_pktmbuf_mtod(m, const uint8_t *);
        if (i + AHEAD < held)
            rte_prefetch0(rte_pktmbuf_mtod(mbufs[i + AHEAD], const void *));
        if (m->nb_segs != 1 || m->pkt_len != length || (m->ol_flags & STRIPPED)) {
            length = join(ingress, m, room);
            if (!length)
                continue;
            data = room;
            room += length;
        }
        const uint64_t address = (uint64_t)(uintptr_t)data;
        if (address < lowest)
            lowest = address;
        ingress->table[n++] = (sm_event){address, ts_ns, length < ingress->snap ? length : ingress->snap, length};
    }
    for (uint32_t i = 0; i < n; i++)
        ingress->table[i].offset -= lowest;
    ingress->base = (const uint8_t *)(uintptr_t)lowest;
    return n;
}

/* Looks at every queue once, those after the last one first. How many events there are to hand out. */
static uint32_t take(sm_dpdk_ingress *ingress)
{
    for (uint32_t asked = 0; asked < ingress->queues; asked++) {
        const uint16_t queue = (uint16_t)ingress->turn;
        ingress->turn = ingress->turn + 1 < ingress->queues ? ingress->turn + 1 : 0;
        const uint16_t held = rte_eth_rx_burst(ingress->id, queue, ingress->held, SM_DPDK_BURST);
        if (!held)
            continue;
        ingress->n_held = held;
        ingress->n_events = lay_out(ingress, held);
        if (ingress->n_events)
            return ingress->n_events;
        rte_pktmbuf_free_bulk(ingress->held, held);
        ingress->n_held = 0;
    }
    return 0;
}

/* Whether there can be no more, which is then the fault. */
static int is_gone(sm_dpdk_ingress *ingress)
{
    if (__atomic_load_n(&ingress->gone, __ATOMIC_ACQUIRE))
        ingress->live.fault = ENODEV;
    return ingress->live.fault || ingress->live.ended;
}

static int next(sm_ingress *base, sm_burst *burst)
{
    sm_dpdk_ingress *const ingress = (sm_dpdk_ingress *)base;
    for (uint32_t spins = 0; !ingress->n_events; spins++) {
        /* Queues of a device that is gone may not be looked at. */
        if (spins == SPINS || is_gone(ingress))
            return sm_live_nothing(&ingress->live);
        if (spins)
            rte_pause();
        take(ingress);
    }
    *burst = (sm_burst){ingress->base, ingress->table, ingress->n_events, ingress->live.port, 0};
    ingress->live.received += ingress->n_events;
    ingress->n_events = 0;
    ingress->idle_us = 0;
    return SM_INGRESS_READY;
}

static void release(sm_ingress *base, const sm_burst *burst)
{
    sm_dpdk_ingress *const ingress = (sm_dpdk_ingress *)base;
    (void)burst;
    rte_pktmbuf_free_bulk(ingress->held, ingress->n_held);
    ingress->n_held = 0;
}

/* Sleeps, longer the longer nothing came: what comes after a pause waits for a part of it at most. */
static int wait(sm_ingress *base, uint64_t timeout_us)
{
    sm_dpdk_ingress *const ingress = (sm_dpdk_ingress *)base;
    const uint64_t began = sm_elapsed_us();
    char name[IF_NAMESIZE];
    if (!ingress->idle_us)
        ingress->idle_us = began;
    for (;;) {
        if (is_gone(ingress))
            return -1;
        if (ingress->n_events || take(ingress))
            return 1;
        const uint64_t now = sm_elapsed_us(), left = began + timeout_us - now;
        if (now - began >= timeout_us)
            break;
        uint64_t us = (now - ingress->idle_us) / SLEEP_PART + 1;
        if (us > SLEEP_US_MAX)
            us = SLEEP_US_MAX;
        if (us > left)
            us = left;
        const struct timespec sleep = {0, (long)us * 1000};
        if (nanosleep(&sleep, 0))
            return 0;
    }
    if (rte_eth_dev_is_removed(ingress->id) || (ingress->ifindex && !if_indextoname(ingress->ifindex, name)))
        ingress->live.fault = ENODEV;
    return ingress->live.fault ? -1 : 0;
}

void sm_dpdk_count(sm_dpdk_ingress *ingress)
{
    struct rte_eth_stats stats;
    if (!ingress->probed || rte_eth_stats_get(ingress->id, &stats))
        return;
    ingress->dropped = stats.imissed + stats.rx_nombuf - ingress->before[0];
    ingress->errors = stats.ierrors - ingress->before[1];
}

/* Opening and closing */

static int unplugged(uint16_t id, enum rte_eth_event_type event, void *user, void *result)
{
    sm_dpdk_ingress *const ingress = user;
    (void)id, (void)event, (void)result;
    __atomic_store_n(&ingress->gone, 1, __ATOMIC_RELEASE);
    return 0;
}

static void finish(sm_ingress *base)
{
    sm_dpdk_ingress *const ingress = (sm_dpdk_ingress *)base;
    ingress->live.ended = 1;
    if (!ingress->probed)
        return;
    sm_dpdk_count(ingress);
    rte_eth_dev_callback_unregister(ingress->id, RTE_ETH_EVENT_INTR_RMV, unplugged, ingress);
    rte_pktmbuf_free_bulk(ingress->held, ingress->n_held);
    ingress->n_held = ingress->n_events = 0;
    if (ingress->started)
        rte_eth_dev_stop(ingress->id);
    ingress->started = ingress->probed = 0;
    taken[ingress->id] = 0;
    /* Its ports are closed with it, and let go of their mbufs. */
    rte_dev_remove(ingress->device);
    rte_mempool_free(ingress->pool);
}

static const sm_ingress_ops OPS = {"dpdk", next, release, finish, wait};

int sm_dpdk_probe(sm_dpdk_ingress *ingress, const char *device)
{
    struct rte_dev_iterator iterator;
    struct rte_eth_dev_info info;
    uint16_t id;
    int done = rte_dev_probe(device), open_here = 0;
    ingress->live.base.ops = &OPS;
    ingress->live.fd = -1;
    if (done)
        return done;
    RTE_ETH_FOREACH_MATCHING_DEV(id, device, &iterator) {
        if (taken[id]) {
            open_here = 1;
            continue;
        }
        rte_eth_iterator_cleanup(&iterator);
        if ((done = rte_eth_dev_info_get(id, &info)))
            return done;
        taken[id] = 1;
        ingress->id = id;
        ingress->probed = 1;
        ingress->device = info.device;
        ingress->ifindex = info.if_index;
        ingress->queues_max = info.max_rx_queues;
        snprintf(ingress->driver, sizeof ingress->driver, "%s", info.driver_name);
        return 0;
    }
    return open_here ? -EBUSY : -ENODEV;
}

/* As many queues to send by as to receive by: some drivers want pairs. Nothing is sent. */
static int configure(sm_dpdk_ingress *ingress, const struct rte_eth_dev_info *info, uint16_t tx_queues)
{
    struct rte_eth_conf conf;
    memset(&conf, 0, sizeof conf);
    conf.rxmode.offloads = info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;
    conf.intr_conf.rmv = info->dev_flags && (*info->dev_flags & RTE_ETH_DEV_INTR_RMV);
    if (ingress->queues > 1 && info->flow_type_rss_offloads) {
        conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
        conf.rx_adv_conf.rss_conf.rss_hf =
            info->flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_SCTP);
    }
    /* The MTU of an interface of the kernel's is not ours to change. */
    if (conf.rxmode.offloads && info->max_mtu >= JUMBO_MTU && !ingress->ifindex) {
        conf.rxmode.mtu = JUMBO_MTU;
        if (!rte_eth_dev_configure(ingress->id, (uint16_t)ingress->queues, tx_queues, &conf))
            return 0;
        conf.rxmode.mtu = 0;
    }
    return rte_eth_dev_configure(ingress->id, (uint16_t)ingress->queues, tx_queues, &conf);
}

int sm_dpdk_open(sm_dpdk_ingress *ingress, uint32_t queues, uint32_t promiscuous, const char **step)
{
    const uint16_t id = ingress->id;
    struct rte_eth_dev_info info;
    struct rte_eth_stats stats;
    uint16_t rx = DESCRIPTORS, tx = 0;
    char name[32];
    int done;

    ingress->queues = queues;
    *step = "configuring it";
    if ((done = rte_eth_dev_info_get(id, &info)))
        return done;
    const uint16_t tx_queues = (uint16_t)(queues < info.max_tx_queues ? queues : info.max_tx_queues);
    if ((done = configure(ingress, &info, tx_queues)) || (done = rte_eth_dev_adjust_nb_rx_tx_desc(id, &rx, &tx)))
        return done;
    ingress->descriptors = rx;
    *step = "memory for its frames";
    snprintf(name, sizeof name, "sevenm%u", (unsigned)id);
    const int node = rte_eth_dev_socket_id(id);
    /* In the device's queues, on their way there (a driver may have a second queue of as many), in the burst, at hand. */
    ingress->pool = rte_pktmbuf_pool_create(name, queues * 2u * rx + 2u * SM_DPDK_BURST + 2u * CACHE, CACHE, 0,
                                            RTE_MBUF_DEFAULT_BUF_SIZE, node < 0 ? SOCKET_ID_ANY : node);
    if (!ingress->pool)
        return -rte_errno;
    *step = "its queues";
    const unsigned place = node < 0 ? (unsigned)SOCKET_ID_ANY : (unsigned)node;
    for (uint16_t i = 0; i < queues; i++)
        if ((done = rte_eth_rx_queue_setup(id, i, rx, place, 0, ingress->pool)))
            return done;
    for (uint16_t i = 0; i < tx_queues; i++)
        if ((done = rte_eth_tx_queue_setup(id, i, tx, place, 0)))
            return done;
    *step = "starting it";
    rte_eth_dev_callback_register(id, RTE_ETH_EVENT_INTR_RMV, unplugged, ingress);
    if (!rte_eth_stats_get(id, &stats)) {
        ingress->before[0] = stats.imissed + stats.rx_nombuf;
        ingress->before[1] = stats.ierrors;
    }
    if ((done = rte_eth_dev_start(id)))
        return done;
    ingress->started = 1;
    *step = "receiving frames for others too";
    done = promiscuous ? rte_eth_promiscuous_enable(id) : 0;
    return done == -ENOTSUP ? 0 : done; /* such a device has no addresses to choose by */
}
