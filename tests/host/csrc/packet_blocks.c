/* Runs under the sanitizers: what the kernel's packet ring could hold, with every byte of its headers changed to every
 * value that may hurt, and many changed at once at random. The ring is allocated to the byte. Each frame that is handed
 * out is read whole, and frames said to be there are always handed out or counted. Arguments: random rounds, seed. */
#include <linux/if_packet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "ingress_live.h"

enum { SIZE = 1024, BLOCKS = 2, FRAMES = 5, BURST = 3, STEP = 160, START = 96 };

static uint64_t state, handed, damaged, sum;

static uint32_t below(uint32_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 11) % n);
}

/* As the kernel would fill it: every other frame had a tag. */
static void fill(uint8_t *block)
{
    struct tpacket_block_desc head = {.version = 1, .hdr.bh1 = {TP_STATUS_USER, FRAMES, 48, SIZE, 1, {0}, {0}}};
    memset(block, 0x5a, SIZE);
    memcpy(block, &head, sizeof head);
    for (uint32_t i = 0; i < FRAMES; i++) {
        struct tpacket3_hdr frame = {.tp_next_offset = i + 1 < FRAMES ? STEP : 0, .tp_sec = 1, .tp_nsec = i,
                                     .tp_snaplen = STEP - START, .tp_len = 90, .tp_mac = START,
                                     .tp_status = TP_STATUS_USER | (i % 2 ? TP_STATUS_VLAN_VALID : 0)};
        frame.hv1.tp_vlan_tci = 7;
        memcpy(block + 48 + i * STEP, &frame, sizeof frame);
    }
}

/* Bytes of a block that are headers. */
static int is_header(uint32_t at)
{
    return at < 48 || (at - 48) % STEP < sizeof(struct tpacket3_hdr);
}

static void drain(uint8_t *ring)
{
    sm_event table[BURST];
    sm_packet_ingress ingress;
    sm_burst burst;
    uint64_t said = 0, n = 0;

    for (uint32_t i = 0; i < BLOCKS; i++) {
        struct tpacket_block_desc head;
        memcpy(&head, ring + i * SIZE, sizeof head);
        if (!(head.hdr.bh1.block_status & TP_STATUS_USER))
            break;
        said += head.hdr.bh1.num_pkts;
    }
    sm_packet_ingress_open(&ingress, -1, ring, SIZE, BLOCKS, table, BURST, 262144, 3);
    int found;
    while ((found = ingress.live.base.ops->next(&ingress.live.base, &burst)) == SM_INGRESS_READY) {
        CHECK(burst.n >= 1 && burst.n <= BURST && burst.port == 3);
        for (uint64_t i = 0; i < burst.n; i++) {
            const sm_event *event = &burst.events[i];
            CHECK(event->wire_len >= event->cap_len);
            CHECK(event->offset % SIZE >= 2 * sizeof(struct tpacket_block_desc)); /* after a block's and a frame's header */
            for (uint32_t b = 0; b < event->cap_len; b++)
                sum += burst.buffer[event->offset + b];
        }
        n += burst.n;
        CHECK(n <= BLOCKS * SIZE / sizeof(struct tpacket3_hdr)); /* each frame advances */
        ingress.live.base.ops->release(&ingress.live.base, &burst);
    }
    CHECK(found == SM_INGRESS_IDLE);
    CHECK(n == ingress.live.received && n + ingress.live.damaged == said);
    for (uint32_t i = 0; i < BLOCKS; i++) {
        struct tpacket_block_desc head;
        memcpy(&head, ring + i * SIZE, sizeof head);
        CHECK(!(head.hdr.bh1.block_status & TP_STATUS_USER) || i >= ingress.block);
    }
    ingress.live.fault = 19;
    CHECK(ingress.live.base.ops->next(&ingress.live.base, &burst) == SM_INGRESS_FAULT);
    CHECK(ingress.live.base.ops->wait(&ingress.live.base, 0) < 0);
    ingress.live.fault = 0;
    ingress.live.base.ops->close(&ingress.live.base);
    CHECK(ingress.live.base.ops->next(&ingress.live.base, &burst) == SM_INGRESS_END);
    handed += n;
    damaged += ingress.live.damaged;
}

static uint8_t *fresh(void)
{
    uint8_t *ring = malloc((size_t)SIZE * BLOCKS);
    CHECK(ring);
    for (uint32_t i = 0; i < BLOCKS; i++)
        fill(ring + i * SIZE);
    return ring;
}

int main(int argc, char **argv)
{
    static const uint8_t VALUES[] = {0, 1, 3, 0x10, 0x7f, 0x80, 0xfe, 0xff};
    CHECK(argc == 3);
    const uint32_t rounds = (uint32_t)strtoul(argv[1], 0, 10);
    state = strtoull(argv[2], 0, 10);

    uint8_t *ring = fresh();
    drain(ring);
    free(ring);
    CHECK(handed == BLOCKS * FRAMES && damaged == 0);
    for (uint32_t at = 0; at < SIZE * BLOCKS; at++)
        for (uint32_t v = 0; v < sizeof VALUES && is_header(at % SIZE); v++) {
            ring = fresh();
            ring[at] = VALUES[v];
            drain(ring);
            free(ring);
        }
    for (uint32_t round = 0; round < rounds; round++) {
        ring = fresh();
        for (uint32_t changes = 1 + below(12); changes; changes--) {
            uint32_t at = below(SIZE * BLOCKS);
            while (!is_header(at % SIZE))
                at = below(SIZE * BLOCKS);
            ring[at] = below(3) ? VALUES[below(sizeof VALUES)] : (uint8_t)below(256);
        }
        drain(ring);
        free(ring);
    }
    printf("%llu frames, %llu damaged\n", (unsigned long long)handed, (unsigned long long)damaged);
    return sum == 0;
}
