/* Kinds of ingress that receive while the loop runs: an interface's frames out of a ring that the kernel fills, datagrams
 * of a UDP socket, frames of a TAP device. Who opens them (sevenm.host.live) makes sockets, rings and tables; from then on
 * nothing is allocated, and what the kernel wrote is checked before it is used. */
#ifndef SM_INGRESS_LIVE_H
#define SM_INGRESS_LIVE_H

#include "ingress.h"

#define SM_LIVE_SLOT 65600 /* bytes for one datagram or frame; 64 more than a power of two, so that slots share no cache set */

/* What they all begin with. Their next gives what is there, then FAULT if `fault` is set, then END if `ended` is. */
typedef struct {
    sm_ingress base;
    uint64_t received; /* events that were handed out */
    uint64_t damaged;  /* not handed out, because what the kernel said of them cannot be */
    int32_t fd;
    int32_t fault;     /* errno, 0: none */
    uint32_t port, ended;
} sm_live;

/* What next returns where there is nothing to hand out. */
int sm_live_nothing(const sm_live *live);

/* The operation `wait` of all of them: poll. An error of the socket becomes `fault`. */
int sm_live_wait(sm_ingress *ingress, uint64_t timeout_us);

/* Why nothing comes from an interface: the errno of one that is gone or down, else 0. Any socket's descriptor will do. */
int sm_live_asleep(int fd, uint32_t ifindex);

/* The operation `close`: next ends. The descriptor and all memory are of who opened it. */
void sm_live_close(sm_ingress *ingress);

/* Frames out of a TPACKET_V3 ring. Tags that the kernel has taken out of them are put back. */
typedef struct {
    sm_live live;
    uint8_t *ring;
    sm_event *table; /* `burst` of them */
    uint64_t at;     /* of the next frame, in the block */
    uint32_t block_size, blocks, burst, snap;
    uint32_t block;  /* whose turn it is */
    uint32_t left;   /* its frames that were not handed out yet */
    uint32_t held;   /* whether it is ours */
    uint32_t reserved;
    uint64_t tagged; /* frames that a tag was put back into */
    uint64_t hardware; /* frames that the interface itself stamped */
} sm_packet_ingress;

void sm_packet_ingress_open(sm_packet_ingress *ingress, int fd, uint8_t *ring, uint32_t block_size, uint32_t blocks,
                            sm_event *table, uint32_t burst, uint32_t snap, uint32_t port);

/* Records out of the datagrams of a UDP socket: one or more of them in each. */
typedef struct {
    sm_live live;
    uint8_t *buffer; /* `slots` * SM_LIVE_SLOT */
    sm_event *table; /* `slots` * (SM_LIVE_SLOT / record) */
    void *vector;
    uint32_t slots, record;
    uint64_t datagrams;
    uint64_t wrong_size; /* datagrams that are no whole number of records */
    uint32_t ifindex;    /* of the interface that they come in by; 0: any */
    uint32_t reserved;
} sm_udp_ingress;

/* Bytes that `vector` needs. */
uint64_t sm_udp_vector(uint32_t slots);
void sm_udp_ingress_open(sm_udp_ingress *ingress, int fd, uint8_t *buffer, sm_event *table, void *vector, uint32_t slots,
                         uint32_t record, uint32_t ifindex, uint32_t port);

/* Frames that are sent out through a TAP device, whose descriptor does not block. */
typedef struct {
    sm_live live;
    uint8_t *buffer; /* `slots` * SM_LIVE_SLOT */
    sm_event *table; /* `slots` of them */
    uint32_t slots, reserved;
} sm_tap_ingress;

void sm_tap_ingress_open(sm_tap_ingress *ingress, int fd, uint8_t *buffer, sm_event *table, uint32_t slots, uint32_t port);

#endif
