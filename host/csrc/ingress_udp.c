/* Records that come in the datagrams of a UDP socket, as many at a time as have arrived: recvmmsg(2). A datagram holds
 * one or more records; one that is no whole number of them is counted and nothing else. */
#include "ingress_live.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

/* What the kernel writes beside a datagram: when it came. */
typedef union {
    struct cmsghdr head;
    uint8_t bytes[CMSG_SPACE(sizeof(struct timespec))];
} beside;

uint64_t sm_udp_vector(uint32_t slots)
{
    return slots * (uint64_t)(sizeof(struct mmsghdr) + sizeof(struct iovec) + sizeof(beside));
}

static uint64_t arrival(struct msghdr *message)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS &&
            c->cmsg_len >= CMSG_LEN(sizeof(struct timespec))) {
            struct timespec when;
            memcpy(&when, CMSG_DATA(c), sizeof when);
            return (uint64_t)when.tv_sec * UINT64_C(1000000000) + (uint64_t)when.tv_nsec;
        }
    return 0;
}

/* The records of one datagram; how many. */
static uint32_t records(sm_udp_ingress *ingress, uint32_t slot, struct mmsghdr *datagram, sm_event *event)
{
    const uint64_t size = datagram->msg_len, start = (uint64_t)slot * SM_LIVE_SLOT;
    ingress->datagrams++;
    if (!size || size > SM_LIVE_SLOT || size % ingress->record || datagram->msg_hdr.msg_flags & MSG_TRUNC) {
        ingress->wrong_size++;
        return 0;
    }
    const uint64_t when = arrival(&datagram->msg_hdr);
    const uint32_t n = (uint32_t)(size / ingress->record);
    for (uint32_t i = 0; i < n; i++)
        event[i] = (sm_event){start + (uint64_t)i * ingress->record, when, ingress->record, ingress->record};
    return n;
}

static int next(sm_ingress *base, sm_burst *burst)
{
    sm_udp_ingress *const ingress = (sm_udp_ingress *)base;
    struct mmsghdr *const messages = ingress->vector;
    for (;;) {
        if (ingress->live.ended || ingress->live.fault)
            return sm_live_nothing(&ingress->live);
        for (uint32_t i = 0; i < ingress->slots; i++)
            messages[i].msg_hdr.msg_controllen = sizeof(beside);
        const int got = recvmmsg(ingress->live.fd, messages, ingress->slots, MSG_DONTWAIT, 0);
        if (got <= 0) {
            if (got < 0 && errno != EAGAIN && errno != EINTR)
                ingress->live.fault = errno;
            return sm_live_nothing(&ingress->live);
        }
        uint32_t n = 0;
        for (uint32_t i = 0; i < (uint32_t)got; i++)
            n += records(ingress, i, &messages[i], ingress->table + n);
        if (n) {
            ingress->live.received += n;
            *burst = (sm_burst){ingress->buffer, ingress->table, n, ingress->live.port, 0};
            return SM_INGRESS_READY;
        }
    }
}

/* A socket is not told that its interface, or its group's, has gone. */
static int wait(sm_ingress *base, uint64_t timeout_us)
{
    sm_udp_ingress *const ingress = (sm_udp_ingress *)base;
    const int found = sm_live_wait(base, timeout_us);
    if (found || !ingress->ifindex)
        return found;
    ingress->live.fault = sm_live_asleep(ingress->live.fd, ingress->ifindex);
    return ingress->live.fault ? -1 : 0;
}

static const sm_ingress_ops OPS = {"udp", next, sm_ingress_keep, sm_live_close, wait};

void sm_udp_ingress_open(sm_udp_ingress *ingress, int fd, uint8_t *buffer, sm_event *table, void *vector, uint32_t slots,
                         uint32_t record, uint32_t ifindex, uint32_t port)
{
    struct mmsghdr *const messages = vector;
    struct iovec *const parts = (struct iovec *)(messages + slots);
    beside *const control = (beside *)(parts + slots);

    *ingress = (sm_udp_ingress){.live = {.base = {&OPS}, .fd = fd, .port = port}, .buffer = buffer, .table = table,
                                .vector = vector, .slots = slots, .record = record,
                                .ifindex = ifindex};
    memset(vector, 0, sm_udp_vector(slots));
    for (uint32_t i = 0; i < slots; i++) {
        parts[i] = (struct iovec){buffer + (uint64_t)i * SM_LIVE_SLOT, SM_LIVE_SLOT};
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
        messages[i].msg_hdr.msg_control = &control[i];
    }
}
