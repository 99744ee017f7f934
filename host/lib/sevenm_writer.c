/* The writer of sevenm.h on the ring's own calls.
 *
 * One idea: while the default subscriber is the only one, a batch needs nothing but the numbers that the caller's struct
 * shows, so that reserve and commit are inline and this file is not called. `enter` takes these numbers into the ring's
 * handle before any other call, and `show` puts them out again after it. */
#include "sevenm_lib.h"

#include <stdlib.h>

#include "clock.h"

static_assert((int)SEVENM_FULL == SM_CAUSE_FULL && (int)SEVENM_READER_GONE == SM_CAUSE_READER_GONE &&
                  (int)SEVENM_STOPPED == SM_CAUSE_STOPPED && (int)SEVENM_CORRUPT == SM_CAUSE_CORRUPT &&
                  (int)SEVENM_TIMEOUT == SM_CAUSE_TIMEOUT && SEVENM_CAUSES == SM_CAUSE_TIMEOUT + 1,
              "causes are the boundary's");
static_assert(sizeof(((sevenm_subscriber *)0)->name) == SM_LANE_NAME, "names fit");
static_assert(sizeof(_Atomic uint64_t) == sizeof(uint64_t), "an index is a plain word to the inline calls");

#define SLOTS 65536
#define SLOT_SIZE 128

typedef struct {
    sevenm_writer shown; /* first: what the caller has */
    sm_ring *ring;
} whole;

static sm_ring *enter(sevenm_writer *shown) {
    sm_ring *const ring = ((whole *)shown)->ring;
    ring->lanes->mine = shown->next;
    return ring;
}

static void show(sevenm_writer *shown, uint32_t reserved) {
    const sm_ring *const ring = ((const whole *)shown)->ring;
    const sm_lane *const lane = ring->lanes;
    shown->reserved = reserved;
    shown->staged = ring->staged;
    shown->base = ring->staged ? ring->stage : lane->base;
    shown->next = lane->mine;
    shown->first = ring->staged ? 0 : lane->mine;
    shown->end = ring->direct ? lane->theirs + ring->slots : lane->mine;
    shown->seen = ring->roll;
}

int sevenm_create(const char *ring, const sevenm_shape *shape, sevenm_writer **out, char error[SEVENM_ERROR]) {
    static const sevenm_shape plain;
    const sevenm_shape *const is = shape ? shape : &plain;
    uint32_t policy;
    *out = 0;
    if (!sevenm_policy(is->policy, &policy, error)) return SM_RING_BAD;
    if (policy == SM_RING_SAME_POLICY) policy = SM_RING_DROP_NEWEST;
    whole *const writer = calloc(1, sizeof *writer);
    if (!writer) return snprintf(error, SEVENM_ERROR, "there is no memory for a writer of ring %.100s", ring), SM_RING_OS;
    const int code = sm_ring_create(ring, is->slots ? is->slots : SLOTS, is->slot_size ? is->slot_size : SLOT_SIZE, policy,
                                    is->bare ? 0 : SM_RECORD_HEADER, is->layout_hash, is->digest, &writer->ring, error);
    if (code) {
        free(writer);
        return code;
    }
    const sm_ring *const made = writer->ring;
    writer->shown.mask = made->slots - 1;
    writer->shown.slot_size = made->slot_size;
    writer->shown.header = made->record_header;
    writer->shown.written = (uint64_t *)&made->lanes->shared->written;
    writer->shown.wants = (const uint64_t *)&made->lanes->shared->reader_wants;
    writer->shown.roll = (const uint64_t *)&made->shared->roll;
    show(&writer->shown, 0);
    *out = &writer->shown;
    return 0;
}

uint32_t sevenm_more(sevenm_writer *writer, uint32_t n) {
    sm_ring *const ring = enter(writer);
    sm_ring_beat(ring);
    const uint32_t granted = sm_ring_reserve(ring, n < ring->slots ? n : (uint32_t)ring->slots);
    show(writer, granted);
    return granted;
}

void sevenm_spread(sevenm_writer *writer, uint32_t n) {
    sm_ring_spread(enter(writer), n);
    show(writer, 0);
}

void sevenm_wake(sevenm_writer *writer) {
    sm_lane *const lane = enter(writer)->lanes;
    sevenm_beat(writer);
    const uint64_t wanted = atomic_load_explicit(&lane->shared->reader_wants, memory_order_relaxed);
    if (wanted) sm_lane_wake(lane, &lane->shared->written, wanted);
}

uint64_t sevenm_write(sevenm_writer *writer, const void *records, uint64_t n) {
    const uint64_t delivered = sm_ring_put(enter(writer), records, n);
    show(writer, 0);
    return delivered;
}

void sevenm_beat(sevenm_writer *writer) { sm_ring_beat(((whole *)writer)->ring); }

int sevenm_set_digest(sevenm_writer *writer, const char *digest) {
    if (!digest || strnlen(digest, SM_RING_DIGEST + 1) != SM_RING_DIGEST ||
        strspn(digest, "0123456789abcdef") != SM_RING_DIGEST)
        return SEVENM_BAD;
    sm_ring_set_digest(((whole *)writer)->ring, digest);
    return 0;
}

uint32_t sevenm_subscribers(const sevenm_writer *writer, sevenm_subscriber *out, uint32_t most) {
    sm_ring_stats stats;
    uint32_t n = 0;
    sm_ring_read_stats(((const whole *)writer)->ring, &stats); /* says of each lane whether it is corrupt */
    for (uint32_t i = 0; i < SM_RING_LANES; i++) {
        const sm_lane_stats *const lane = &stats.lanes[i];
        if (!lane->open || n++ >= most) continue;
        sevenm_subscriber *const to = &out[n - 1];
        *to = (sevenm_subscriber){.pid = lane->alive ? lane->pid : 0};
        memcpy(to->name, lane->name, sizeof to->name);
        /* Another process may have written nonsense there. */
        to->corrupt = stats.corrupt >> i & 1 || lane->start > lane->delivered || lane->start_lost > lane->lost;
        if (to->corrupt) continue;
        to->delivered = lane->delivered - lane->start;
        to->in_ring = lane->delivered - lane->consumed;
        to->lost = lane->lost - lane->start_lost;
        for (int c = 0; c < SEVENM_CAUSES; c++)
            if (lane->undelivered[c] > lane->start_undelivered[c])
                to->undelivered[c] = lane->undelivered[c] - lane->start_undelivered[c];
    }
    return n;
}

static void let_go(whole *writer) {
    sm_ring_free(writer->ring);
    free(writer);
}

void sevenm_writer_close(sevenm_writer *writer) {
    if (!writer) return;
    sm_ring_close(enter(writer));
    let_go((whole *)writer);
}

void sevenm_writer_disown(sevenm_writer *writer) {
    if (!writer) return;
    sm_ring_disown(enter(writer));
    let_go((whole *)writer);
}

uint64_t sevenm_now(void) { return sm_now_ns(); }
