/* Frames as anybody may send them through a TAP device, from none to the longest that is read, and errors in between. */
#include <errno.h>
#include <unistd.h>

#include "fuzz.h"

static ssize_t receive(int fd, void *to, size_t room);
#define read(fd, to, room) receive(fd, to, room)
#include "ingress_tap.c"
#undef read

enum { SLOTS = 5, STEPS = 200 };

static uint64_t frames_seen, faults_seen;

static struct {
    fuzz_input in;
    uint8_t number;
    uint32_t n, sizes[SLOTS];
    uint64_t frames;
    int fault;
} w;

static ssize_t receive(int fd, void *to, size_t room)
{
    static const int ERRORS[] = {EAGAIN, EINTR, EBADFD, EIO};
    const uint8_t kind = take_byte(&w.in) % 8;
    CHECK(fd == 7 && room <= SM_LIVE_SLOT && !w.fault);
    if (kind < 2 || w.in.at >= w.in.end) {
        if (kind == 1)
            return 0;
        errno = ERRORS[take_byte(&w.in) % 4];
        if (errno != EAGAIN && errno != EINTR)
            w.fault = errno;
        return -1;
    }
    const uint32_t size = 1 + (kind == 2 ? (uint32_t)room - 1 : (uint32_t)take_bytes(&w.in, 3) % (uint32_t)room);
    memset(to, w.number + (int)w.n, size);
    CHECK(w.n < SLOTS);
    w.sizes[w.n++] = size;
    w.frames++;
    return size;
}

static void fuzz_one(fuzz_input in)
{
    memset(&w, 0, sizeof w);
    w.in = in;
    uint8_t *const buffer = malloc((uint64_t)SLOTS * SM_LIVE_SLOT);
    sm_event *const table = malloc(SLOTS * sizeof *table);
    CHECK(buffer && table);
    sm_tap_ingress ingress;
    sm_tap_ingress_open(&ingress, 7, buffer, table, SLOTS, 3);
    for (uint32_t step = 0; step < STEPS && w.in.at < w.in.end; step++) {
        sm_burst burst;
        w.n = 0;
        const int found = next(&ingress.live.base, &burst);
        CHECK(found == (w.n ? SM_INGRESS_READY : w.fault ? SM_INGRESS_FAULT : SM_INGRESS_IDLE));
        if (found != SM_INGRESS_READY)
            continue;
        CHECK(burst.n == w.n && burst.port == 3);
        for (uint32_t i = 0; i < w.n; i++) {
            const sm_event *const event = &burst.events[i];
            CHECK(event->cap_len == w.sizes[i] && event->wire_len == w.sizes[i]);
            for (uint32_t at = 0; at < event->cap_len; at++)
                CHECK(burst.buffer[event->offset + at] == (uint8_t)(w.number + i));
        }
        w.number += SLOTS;
    }
    CHECK(ingress.live.received == w.frames && ingress.live.fault == w.fault);
    frames_seen += w.frames;
    faults_seen += w.fault != 0;
    free(buffer);
    free(table);
}

static void fuzz_said(void)
{
    printf("%llu frames, %llu faults\n", (unsigned long long)frames_seen, (unsigned long long)faults_seen);
}
