/* The reader of sevenm.h on the ring's own calls. */
#include "sevenm_lib.h"

#include <stdlib.h>

static_assert((int)SEVENM_READY == SM_WAIT_READY && (int)SEVENM_TIME == SM_WAIT_TIME && (int)SEVENM_SIGNAL == SM_WAIT_SIGNAL &&
                  (int)SEVENM_GONE == SM_WAIT_GONE && (int)SEVENM_CLOSED == SM_WAIT_CLOSED && (int)SEVENM_FAULT == SM_WAIT_FAULT,
              "ends of a wait are the ring's");

#define COPY_MAX 1024 /* records of a lane that is written over, at once */

typedef struct {
    sevenm_reader shown; /* first: what the caller has */
    sm_ring *ring;
    uint8_t *copy;       /* of a lane of policy drop_oldest */
    uint32_t held;       /* records in place to be given back */
    uint32_t misread;    /* the other kind of slots was asked for */
} whole;

static void let_go(whole *reader) {
    if (reader->ring) sm_ring_free(reader->ring);
    free(reader->copy);
    free(reader);
}

int sevenm_open(const char *ring, const char *subscriber, const char *policy, sevenm_reader **out, char error[SEVENM_ERROR]) {
    return sevenm_open_as(ring, subscriber, policy, 0, 0, out, error);
}

/* By name, or where that is null by descriptor. */
static int open_either(const char *ring, int descriptor, const char *subscriber, const char *policy, int bare,
                       uint64_t layout_hash, sevenm_reader **out, char error[SEVENM_ERROR]) {
    uint32_t number;
    *out = 0;
    if (!sevenm_policy(policy, &number, error)) return SM_RING_BAD;
    whole *const reader = calloc(1, sizeof *reader);
    const uint32_t header = bare ? 0 : SM_RECORD_HEADER;
    int code = SM_RING_OS;
    if (reader)
        code = ring ? sm_ring_attach(ring, subscriber, number, SM_RING_SAME_DEADLINE, header, layout_hash, &reader->ring, error)
                    : sm_ring_attach_descriptor(descriptor, subscriber, number, SM_RING_SAME_DEADLINE, header, layout_hash,
                                                &reader->ring, error);
    if (!code && reader->ring->lanes->policy == SM_RING_DROP_OLDEST) {
        reader->copy = malloc((size_t)COPY_MAX * reader->ring->slot_size);
        code = reader->copy ? SM_RING_OK : SM_RING_OS;
    }
    if (code) {
        if (!reader || reader->ring)
            snprintf(error, SEVENM_ERROR, "there is no memory for a reader of ring %.100s", ring ? ring : "without a name");
        if (reader) sevenm_close(&reader->shown);
        return code;
    }
    reader->shown.slot_size = reader->ring->slot_size;
    *out = &reader->shown;
    return 0;
}

int sevenm_open_as(const char *ring, const char *subscriber, const char *policy, int bare, uint64_t layout_hash,
                   sevenm_reader **out, char error[SEVENM_ERROR]) {
    return open_either(ring, -1, subscriber, policy, bare, layout_hash, out, error);
}

int sevenm_open_descriptor(int descriptor, const char *subscriber, const char *policy, int bare, uint64_t layout_hash,
                           sevenm_reader **out, char error[SEVENM_ERROR]) {
    return open_either(0, descriptor, subscriber, policy, bare, layout_hash, out, error);
}

static void give_back(whole *reader) {
    if (reader->held) sm_ring_give_back(reader->ring, reader->held);
    reader->held = 0;
}

/* The next slots, if they are of the kind that is expected. */
static uint32_t next_slots(whole *reader, uint32_t header, const void **first) {
    *first = 0;
    if (reader->ring->record_header != header) {
        reader->misread = 1;
        return 0;
    }
    if (reader->copy) {
        uint32_t at = 0, n = sm_ring_take(reader->ring, reader->copy, COPY_MAX, &at);
        *first = reader->copy + (size_t)at * reader->ring->slot_size;
        return n;
    }
    const sm_record *slot;
    give_back(reader);
    reader->held = sm_ring_peek(reader->ring, UINT32_MAX, &slot);
    *first = slot;
    return reader->held;
}

uint32_t sevenm_read(sevenm_reader *reader, const sevenm_record **first) {
    const void *slot;
    const uint32_t n = next_slots((whole *)reader, SM_RECORD_HEADER, &slot);
    *first = slot;
    return n;
}

uint32_t sevenm_read_bare(sevenm_reader *reader, const void **first) { return next_slots((whole *)reader, 0, first); }

enum sevenm_why sevenm_wait(sevenm_reader *shown, uint64_t timeout_us) {
    whole *const reader = (whole *)shown;
    if (reader->misread) return SEVENM_FAULT;
    give_back(reader);
    return (enum sevenm_why)sm_ring_wait(reader->ring, timeout_us);
}

void sevenm_close(sevenm_reader *reader) {
    if (!reader) return;
    if (((whole *)reader)->ring) sm_ring_close(((whole *)reader)->ring);
    let_go((whole *)reader);
}

void sevenm_disown(sevenm_reader *reader) {
    if (!reader) return;
    sm_ring_disown(((whole *)reader)->ring);
    let_go((whole *)reader);
}
