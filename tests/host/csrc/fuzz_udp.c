/* Datagrams as anybody may send them, and as the kernel may report them: of no size and of the largest, no whole number of
 * records, cut, with a time of arrival, none, or one that is cut; bursts of all slots, and errors in between. What has to
 * come of each is worked out beside it. */
#include <errno.h>
#include <sys/socket.h>
#include <time.h>

#include "fuzz.h"

static int receive(int fd, struct mmsghdr *messages, unsigned int slots, int flags, void *timeout);
#define recvmmsg(fd, messages, slots, flags, timeout) receive(fd, messages, slots, flags, timeout)
#include "ingress_udp.c"
#undef recvmmsg

enum { SLOTS = 5, STEPS = 40, UDP_MAX = 65507 };

static const uint32_t RECORDS[] = {24, 64, 128, 2048, 65507};
static uint64_t records_seen, wrong_seen, faults_seen;

static struct {
    fuzz_input in;
    uint32_t record, end; /* end: the next call says that there is nothing, or what is wrong */
    uint8_t number;
    uint64_t datagrams, wrong, records;
    uint32_t sizes[SLOTS];
    uint64_t times[SLOTS];
    uint8_t numbers[SLOTS];
    int n, fault;
} w;

/* Of one datagram: how long it is. */
static uint32_t size_of(void)
{
    switch (take_byte(&w.in) % 6) {
    case 0:
        return 0;
    case 1:
        return UDP_MAX;
    case 2:
        return take_below(&w.in, UDP_MAX + 1);
    case 3:
        return UDP_MAX / w.record * w.record - take_below(&w.in, 2);
    default:
        return take_below(&w.in, UDP_MAX / w.record + 1) % 8 * w.record + take_below(&w.in, 2);
    }
}

static uint64_t stamp(struct msghdr *message)
{
    struct timespec when = {(time_t)take_bytes(&w.in, 4), (long)take_bytes(&w.in, 4) % 1000000000};
    struct cmsghdr *const head = message->msg_control;
    const uint8_t kind = take_byte(&w.in) % 8;
    CHECK(message->msg_controllen >= CMSG_SPACE(sizeof when));
    memset(head, 0xaa, message->msg_controllen);
    *head = (struct cmsghdr){CMSG_LEN(sizeof when), SOL_SOCKET, SCM_TIMESTAMPNS};
    if (kind == 0)
        message->msg_controllen = 0;
    else if (kind == 1)
        head->cmsg_len = take_bytes(&w.in, take_byte(&w.in) % 9);
    else if (kind == 2)
        head->cmsg_type++;
    if (kind != 1 && kind)
        memcpy(CMSG_DATA(head), &when, sizeof when);
    else if (kind == 1 && head->cmsg_len >= CMSG_LEN(sizeof when))
        memcpy(&when, CMSG_DATA(head), sizeof when);
    return kind == 0 || kind == 2 || head->cmsg_len < CMSG_LEN(sizeof when)
               ? 0
               : (uint64_t)when.tv_sec * UINT64_C(1000000000) + (uint64_t)when.tv_nsec;
}

static int receive(int fd, struct mmsghdr *messages, unsigned int slots, int flags, void *timeout)
{
    static const int ERRORS[] = {EAGAIN, EINTR, ECONNREFUSED, ENETDOWN};
    CHECK(fd == 7 && slots == SLOTS && flags == MSG_DONTWAIT && !timeout);
    w.n = 0;
    if (w.in.at >= w.in.end || take_byte(&w.in) % 8 == 0) {
        errno = ERRORS[take_byte(&w.in) % 4];
        if (errno != EAGAIN && errno != EINTR)
            w.fault = errno;
        return -1;
    }
    w.n = (int)(1 + take_below(&w.in, SLOTS));
    for (int i = 0; i < w.n; i++) {
        struct msghdr *const message = &messages[i].msg_hdr;
        const uint32_t size = size_of(), room = (uint32_t)message->msg_iov->iov_len;
        CHECK(message->msg_iovlen == 1 && room >= UDP_MAX);
        w.numbers[i] = w.number++;
        memset(message->msg_iov->iov_base, w.numbers[i], size);
        messages[i].msg_len = size;
        message->msg_flags = 0;
        w.times[i] = stamp(message);
        if (take_byte(&w.in) % 16 == 0) { /* a longer one than there can be */
            message->msg_flags = take_byte(&w.in) % 2 ? MSG_TRUNC : 0;
            messages[i].msg_len = take_byte(&w.in) % 2 ? size : (room / w.record + 1 + take_byte(&w.in)) * w.record;
        }
        w.datagrams++;
        const int whole = messages[i].msg_len == size && !(message->msg_flags & MSG_TRUNC);
        const int right = size && size % w.record == 0 && whole;
        w.wrong += !right;
        w.sizes[i] = right ? size : 0;
        w.records += right ? size / w.record : 0;
    }
    return w.n;
}

/* The records of the last burst, in order. */
static void compare(const sm_burst *burst)
{
    uint64_t at = 0;
    for (int i = 0; i < w.n; i++)
        for (uint32_t left = w.sizes[i]; left; left -= w.record, at++) {
            CHECK(at < burst->n);
            const sm_event *const event = &burst->events[at];
            CHECK(event->cap_len == w.record && event->wire_len == w.record && event->ts_ns == w.times[i]);
            const uint8_t *const data = burst->buffer + event->offset;
            CHECK(data[0] == w.numbers[i] && !memcmp(data, data + 1, w.record - 1));
        }
    CHECK(at == burst->n);
}

static void fuzz_one(fuzz_input in)
{
    memset(&w, 0, sizeof w);
    w.in = in;
    w.record = RECORDS[take_byte(&w.in) % (sizeof RECORDS / sizeof *RECORDS)];
    uint8_t *const buffer = malloc((uint64_t)SLOTS * SM_LIVE_SLOT);
    sm_event *const table = malloc(SLOTS * (SM_LIVE_SLOT / w.record) * sizeof *table);
    void *const vector = malloc(sm_udp_vector(SLOTS));
    CHECK(buffer && table && vector);
    sm_udp_ingress ingress;
    sm_udp_ingress_open(&ingress, 7, buffer, table, vector, SLOTS, w.record, 0, 3);
    for (uint32_t step = 0; step < STEPS; step++) {
        sm_burst burst;
        const int found = next(&ingress.live.base, &burst);
        if (found == SM_INGRESS_READY) {
            CHECK(burst.port == 3 && burst.buffer == buffer);
            compare(&burst);
        }
        CHECK(found == (w.fault && !w.n ? SM_INGRESS_FAULT : w.n ? SM_INGRESS_READY : SM_INGRESS_IDLE));
        CHECK(ingress.live.fault == w.fault);
        CHECK(ingress.datagrams == w.datagrams && ingress.wrong_size == w.wrong && ingress.live.received == w.records);
        if (w.fault || w.in.at >= w.in.end)
            break;
    }
    records_seen += w.records;
    wrong_seen += w.wrong;
    faults_seen += w.fault != 0;
    free(buffer);
    free(table);
    free(vector);
}

static void fuzz_said(void)
{
    printf("%llu records, %llu datagrams of a wrong size, %llu faults\n", (unsigned long long)records_seen,
           (unsigned long long)wrong_seen, (unsigned long long)faults_seen);
}
