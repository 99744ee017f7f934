/* Frames that are sent out through a TAP device: one read(2) each, as many as there are slots. All of them came, as far
 * as anybody can tell, when they were read. */
#include "ingress_live.h"

#include <errno.h>
#include <unistd.h>

#include "clock.h"

static int next(sm_ingress *base, sm_burst *burst)
{
    sm_tap_ingress *const ingress = (sm_tap_ingress *)base;
    uint32_t n = 0;

    if (ingress->live.ended || ingress->live.fault)
        return sm_live_nothing(&ingress->live);
    const uint64_t when = sm_now_ns();
    for (; n < ingress->slots; n++) {
        const uint64_t start = (uint64_t)n * SM_LIVE_SLOT;
        const ssize_t got = read(ingress->live.fd, ingress->buffer + start, SM_LIVE_SLOT);
        if (got <= 0) {
            if (got < 0 && errno != EAGAIN && errno != EINTR)
                ingress->live.fault = errno;
            break;
        }
        ingress->table[n] = (sm_event){start, when, (uint32_t)got, (uint32_t)got};
    }
    if (!n)
        return sm_live_nothing(&ingress->live);
    ingress->live.received += n;
    *burst = (sm_burst){ingress->buffer, ingress->table, n, ingress->live.port, 0};
    return SM_INGRESS_READY;
}

static const sm_ingress_ops OPS = {"tap", next, sm_ingress_keep, sm_live_close, sm_live_wait};

void sm_tap_ingress_open(sm_tap_ingress *ingress, int fd, uint8_t *buffer, sm_event *table, uint32_t slots, uint32_t port)
{
    *ingress = (sm_tap_ingress){.live = {.base = {&OPS}, .fd = fd, .port = port}, .buffer = buffer, .table = table,
                                .slots = slots};
}
