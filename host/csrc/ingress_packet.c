/* Frames of an interface, out of a TPACKET_V3 ring (packet(7)): the kernel fills blocks of frames and hands them over
 * whole; a block goes back when its last frame has been used. Frames stay where the kernel wrote them.
 *
 * The ring is ours once a block is, but nothing in it is believed: a header that points out of its block, or does not
 * advance, ends the block, and its frames from there on are counted as damaged. */
#include "ingress_live.h"

#include <linux/if_packet.h>
#include <stdatomic.h>
#include <string.h>

enum { TAG = 4, ADDRESSES = 12, TPID_VLAN = 0x8100 };

static uint8_t *block_of(const sm_packet_ingress *ingress)
{
    return ingress->ring + (uint64_t)ingress->block * ingress->block_size;
}

static _Atomic uint32_t *status_of(uint8_t *block)
{
    return (_Atomic uint32_t *)(block + offsetof(struct tpacket_block_desc, hdr.bh1.block_status));
}

static void give_back(sm_packet_ingress *ingress)
{
    atomic_store_explicit(status_of(block_of(ingress)), TP_STATUS_KERNEL, memory_order_release);
    ingress->block = ingress->block + 1 < ingress->blocks ? ingress->block + 1 : 0;
    ingress->held = 0;
}

/* Whether the block whose turn it is, is ours. */
static int take(sm_packet_ingress *ingress)
{
    uint8_t *const block = block_of(ingress);
    struct tpacket_block_desc head;
    if (ingress->held)
        return 1;
    if (!(atomic_load_explicit(status_of(block), memory_order_acquire) & TP_STATUS_USER))
        return 0;
    memcpy(&head, block, sizeof head);
    ingress->held = 1;
    ingress->left = head.hdr.bh1.num_pkts;
    ingress->at = head.hdr.bh1.offset_to_first_pkt;
    return 1;
}

/* The tag goes in front of the EtherType, where it was on the wire; the room before the frame was reserved for it. */
static void put_tag(uint8_t *frame, const struct tpacket3_hdr *head)
{
    const uint32_t type = head->tp_status & TP_STATUS_VLAN_TPID_VALID ? head->hv1.tp_vlan_tpid : TPID_VLAN;
    const uint32_t tag = head->hv1.tp_vlan_tci;
    memmove(frame, frame + TAG, ADDRESSES);
    frame[ADDRESSES] = (uint8_t)(type >> 8);
    frame[ADDRESSES + 1] = (uint8_t)type;
    frame[ADDRESSES + 2] = (uint8_t)(tag >> 8);
    frame[ADDRESSES + 3] = (uint8_t)tag;
}

/* The block's next frame. 0: what is said of it cannot be. */
static int frame(sm_packet_ingress *ingress, sm_event *event)
{
    uint8_t *const block = block_of(ingress);
    const uint64_t size = ingress->block_size, at = ingress->at;
    struct tpacket3_hdr head;
    if (at > size || size - at < sizeof head)
        return 0;
    memcpy(&head, block + at, sizeof head);
    const uint64_t start = at + head.tp_mac;
    if (head.tp_mac < sizeof head + TAG || start > size || size - start < head.tp_snaplen)
        return 0;
    if (ingress->left > 1 && head.tp_next_offset < sizeof head)
        return 0;
    const uint32_t tag = head.tp_status & TP_STATUS_VLAN_VALID ? TAG : 0;
    const uint32_t put = head.tp_snaplen >= ADDRESSES ? tag : 0;
    if (put) {
        put_tag(block + start - TAG, &head);
        ingress->tagged++;
    }
    ingress->hardware += head.tp_status >> 31; /* TP_STATUS_TS_RAW_HARDWARE */
    uint32_t held = head.tp_snaplen + put;
    if (held > ingress->snap)
        held = ingress->snap;
    const uint32_t wire = head.tp_len > UINT32_MAX - TAG ? UINT32_MAX : head.tp_len + tag;
    *event = (sm_event){(uint64_t)(block - ingress->ring) + start - put,
                        head.tp_sec * UINT64_C(1000000000) + head.tp_nsec, held, wire < held ? held : wire};
    ingress->at = at + head.tp_next_offset;
    ingress->left--;
    return 1;
}

static int next(sm_ingress *base, sm_burst *burst)
{
    sm_packet_ingress *const ingress = (sm_packet_ingress *)base;
    for (;;) {
        uint32_t n = 0;
        if (ingress->live.ended || !take(ingress))
            return sm_live_nothing(&ingress->live);
        while (n < ingress->burst && ingress->left && frame(ingress, &ingress->table[n]))
            n++;
        if (n < ingress->burst && ingress->left) {
            ingress->live.damaged += ingress->left;
            ingress->left = 0;
        }
        if (n) {
            ingress->live.received += n;
            *burst = (sm_burst){ingress->ring, ingress->table, n, ingress->live.port, 0};
            return SM_INGRESS_READY;
        }
        give_back(ingress);
    }
}

static void release(sm_ingress *base, const sm_burst *burst)
{
    sm_packet_ingress *const ingress = (sm_packet_ingress *)base;
    (void)burst;
    if (!ingress->left)
        give_back(ingress);
}

static const sm_ingress_ops OPS = {"packet", next, release, sm_live_close, sm_live_wait};

void sm_packet_ingress_open(sm_packet_ingress *ingress, int fd, uint8_t *ring, uint32_t block_size, uint32_t blocks,
                            sm_event *table, uint32_t burst, uint32_t snap, uint32_t port)
{
    *ingress = (sm_packet_ingress){.live = {.base = {&OPS}, .fd = fd, .port = port}, .ring = ring, .table = table,
                                   .block_size = block_size, .blocks = blocks, .burst = burst, .snap = snap};
}
