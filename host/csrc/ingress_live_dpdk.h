/* DPDK: frames of an Ethernet device that a driver in this process polls, matched in the buffers they were received into.
 *
 * The C runtime knows the struct; the functions are in dpdk/ingress_live_dpdk.c, which is compiled against DPDK where there
 * is one and loaded when it is asked for (sevenm.host.live.dpdk_library). None of this needs DPDK's headers. */
#ifndef SM_INGRESS_LIVE_DPDK_H
#define SM_INGRESS_LIVE_DPDK_H

#include "ingress_live.h"

#define SM_DPDK_BURST 256
#define SM_DPDK_QUEUES_MAX 64
#define SM_DPDK_DRIVER 32 /* bytes of a driver's name */

struct rte_mbuf;

typedef struct {
    sm_live live;      /* fd: -1, there is nothing to wait on */
    sm_event *table;   /* SM_DPDK_BURST of them */
    uint8_t *room;     /* SM_DPDK_BURST * SM_LIVE_SLOT: for frames that do not lie in one piece as they were on the wire */
    struct rte_mbuf *held[SM_DPDK_BURST]; /* of the burst */
    const uint8_t *base; /* what the table's offsets count from: the lowest address of the burst */
    void *device, *pool; /* struct rte_device, struct rte_mempool */
    uint64_t too_long; /* frames longer than SM_LIVE_SLOT, not handed out */
    uint64_t joined;   /* frames that came in several pieces */
    uint64_t tagged;   /* frames that a VLAN tag was put back into */
    uint64_t dropped;  /* by the device, for want of a buffer, since it was opened, as of the last sm_dpdk_count */
    uint64_t errors;   /* frames that the device itself found damaged, likewise */
    uint64_t before[2]; /* the device's counts when it was opened */
    uint64_t idle_us;  /* since when nothing came, by sm_elapsed_us; 0: something came last */
    uint32_t n_held, n_events; /* mbufs of the burst; its events that next has to hand out */
    uint32_t snap, ifindex; /* bytes of a frame to keep; of the kernel's interface that the device is, 0: none */
    uint32_t queues, queues_max, turn, descriptors; /* descriptors: of each queue */
    uint16_t id, probed; /* DPDK's number of the port; whether there is one */
    uint32_t started;
    uint32_t gone;     /* set by a thread of DPDK's when the device is unplugged */
    char driver[SM_DPDK_DRIVER];
} sm_dpdk_ingress;

/* Initialises DPDK, once in a process. 0 or -errno; -EALREADY: it is, or failed before. */
int sm_dpdk_start(int argc, char **argv);

/* What DPDK has said since the last call, its end if that is more than size - 1 bytes; empties it. */
void sm_dpdk_said(char *to, uint64_t size);

/* Finds the device and its driver, in a struct of zeros. 0 or -errno. -EBUSY: this process has it open. */
int sm_dpdk_probe(sm_dpdk_ingress *ingress, const char *device);

/* Starts a device that was probed: so many of its queues are received by from now on. table, room and snap are set. step:
 * what failed. 0 or -errno. Whatever it is, `close` of the operations has to be called. */
int sm_dpdk_open(sm_dpdk_ingress *ingress, uint32_t queues, uint32_t promiscuous, const char **step);

/* Asks the device what it dropped. */
void sm_dpdk_count(sm_dpdk_ingress *ingress);

#endif
