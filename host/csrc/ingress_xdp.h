/* AF_XDP: frames that an XDP program redirects into memory of this process, one socket and one UMEM for each queue.
 *
 * A chunk of the UMEM is in one of four places: the fill ring (the kernel's to write), the kernel, the rx ring, or the
 * burst that the loop has. Both rings have room for all chunks, so neither can be too full: what the kernel drops it
 * drops because every chunk waits to be matched. A frame of several chunks (XDP_PKT_CONTD) is copied into one piece of
 * the room behind the UMEM, and its chunks are the kernel's again at once. A socket that takes none of these
 * (XDP_USE_SG) has no room; the kernel does not redirect them then, and counts them as dropped. The XDP program and its
 * link are the control plane's (bpf.h). */
#ifndef SM_INGRESS_XDP_H
#define SM_INGRESS_XDP_H

#include <linux/if_link.h>
#include <linux/if_xdp.h>

#include "ingress_live.h"

#define SM_XDP_QUEUES_MAX 64
#define SM_XDP_HEADROOM 256 /* of each chunk, which the kernel keeps for itself (XDP_PACKET_HEADROOM) */
#define SM_XDP_ROOM (4 * SM_CAPTURE_MAX) /* bytes of a queue for frames of several chunks, of one burst */

#ifndef XDP_USE_SG
#define XDP_USE_SG (1 << 4) /* of a socket: frames of several chunks are taken (Linux 6.6) */
#endif
#ifndef XDP_PKT_CONTD
#define XDP_PKT_CONTD 1 /* of a descriptor's options: the frame goes on in the next one (Linux 6.6) */
#endif

typedef struct {
    uint32_t *producer, *consumer, *flags;
    void *entries, *map;
    uint64_t map_bytes;
    uint32_t mask, at; /* at: ours of the two indices */
} sm_xdp_ring;

/* A frame of several chunks of which the last one is still to come; it may come with the next burst. */
typedef struct {
    uint64_t at;         /* where it begins in the room */
    uint32_t held, wire; /* its bytes that are there, at most SM_CAPTURE_MAX, and all so far */
    uint32_t open, damaged;
} sm_xdp_part;

typedef struct {
    uint8_t *umem;       /* and behind it the room */
    uint64_t room, used; /* bytes of the room (0: there is none), and of these taken by the burst */
    sm_xdp_ring fill, rx;
    sm_xdp_part part;
    int fd;
    uint32_t queue;
} sm_xdp_queue;

typedef struct {
    sm_live live;
    uint64_t dropped; /* by the kernel, as of the last sm_xdp_count: no free frame, or no room for so long a frame */
    sm_event *table;  /* `burst` of them */
    sm_xdp_queue queues[SM_XDP_QUEUES_MAX];
    uint32_t n_queues, turn, taken; /* queue that is asked next; queue of the burst */
    uint32_t ifindex, frames, chunk, burst, reserved;
} sm_xdp_ingress;

/* One socket for each of `queues`. flags: XDP_ZEROCOPY or XDP_COPY, and XDP_USE_SG. frames, a power of two: chunks of
 * each queue, of `chunk` bytes. step: what failed. 0, or -errno and nothing is left open. */
int sm_xdp_ingress_open(sm_xdp_ingress *ingress, uint32_t ifindex, const uint32_t *queues, uint32_t n_queues,
                        uint32_t flags, uint32_t frames, uint32_t chunk, sm_event *table, uint32_t burst, const char **step);

/* Asks the kernel what it dropped; a system call for each queue. */
void sm_xdp_count(sm_xdp_ingress *ingress);

/* Of an interface: how many queues it receives by (1 where its driver does not say), its MTU, and whether it takes VLAN
 * tags out of the frames, which are then seen by nobody here. -errno. */
int sm_xdp_queues(const char *interface);
int sm_xdp_mtu(const char *interface);
int sm_xdp_strips_tags(const char *interface);

#endif
