/* The rings of an AF_XDP ingress, filled by hand with descriptors that leave the UMEM, their chunk, or are a part only. */
#include "ingress_xdp.c"

#include <stdio.h>

enum { FRAMES = 8, CHUNK = 2048 };

int main(void)
{
    static uint8_t umem[FRAMES * CHUNK];
    static uint64_t fill[FRAMES];
    static uint32_t indices[6];
    struct xdp_desc rx[FRAMES] = {
        {0 * CHUNK + 256, CHUNK - 256, 0},         /* up to the last byte of its chunk */
        {1 * CHUNK + 256, CHUNK - 255, 0},         /* one more */
        {FRAMES * CHUNK, 60, 0},                   /* behind the UMEM */
        {UINT64_MAX - 30, 60, 0},                  /* address and length wrap */
        {2 * CHUNK + 256, UINT32_MAX, 0},
        {3 * CHUNK + 256, 60, XDP_PKT_CONTD},
        {4 * CHUNK + 256, 0, 0},
        {5 * CHUNK + 256, 60, 0},
    };
    sm_event table[FRAMES];
    sm_xdp_ingress ingress = {.live.base.ops = &OPS, .live.fd = -1, .table = table, .n_queues = 1, .frames = FRAMES,
                              .chunk = CHUNK, .burst = FRAMES};
    ingress.queues[0] = (sm_xdp_queue){umem, {&indices[0], &indices[1], &indices[2], fill, 0, 0, FRAMES - 1, 0},
                                       {&indices[3], &indices[4], &indices[5], rx, 0, 0, FRAMES - 1, 0}, -1, 0};
    sm_burst burst;
    indices[3] = FRAMES;
    if (next(&ingress.live.base, &burst) != SM_INGRESS_READY)
        return 1;
    uint64_t sum = 0;
    for (uint64_t i = 0; i < burst.n; i++)
        for (uint32_t at = 0; at < burst.events[i].cap_len; at++)
            sum += burst.buffer[burst.events[i].offset + at];
    const unsigned long long n = burst.n;
    release(&ingress.live.base, &burst);
    indices[3] += FRAMES + 1; /* more than the ring holds */
    if (next(&ingress.live.base, &burst) != SM_INGRESS_FAULT || sum)
        return 2;
    printf("%llu handed out, %llu damaged, %u given back, fault %d\n", n, (unsigned long long)ingress.live.damaged,
           indices[0], (int)ingress.live.fault);
    return 0;
}
