/* The reader of sevenm.h on the ring's own calls. */
#include "sevenm.h"

#include <stdio.h>
#include <stdlib.h>

#include "ring.h"

static_assert(sizeof(sevenm_record) == sizeof(sm_record) && offsetof(sevenm_record, seq) == offsetof(sm_record, seq) &&
                  offsetof(sevenm_record, rule) == offsetof(sm_record, rule) &&
                  offsetof(sevenm_record, cap_len) == offsetof(sm_record, cap_len) &&
                  offsetof(sevenm_record, engine) == offsetof(sm_record, engine) &&
                  offsetof(sevenm_record, source) == offsetof(sm_record, source),
              "records are those of the boundary");
static_assert((int)SEVENM_READY == SM_WAIT_READY && (int)SEVENM_TIME == SM_WAIT_TIME && (int)SEVENM_SIGNAL == SM_WAIT_SIGNAL &&
                  (int)SEVENM_GONE == SM_WAIT_GONE && (int)SEVENM_CLOSED == SM_WAIT_CLOSED && (int)SEVENM_FAULT == SM_WAIT_FAULT,
              "ends of a wait are the ring's");
static_assert(SEVENM_ERROR == SM_RING_ERROR, "error texts are the ring's");

#define COPY_MAX 1024 /* records of a lane that is written over, at once */

struct sevenm_reader {
    sm_ring *ring;
    uint8_t *copy; /* of a lane of policy drop_oldest */
    uint32_t held; /* records in place to be given back */
};

static int policy_number(const char *policy, uint32_t *number) {
    static const char *const names[SM_RING_POLICIES] = {"drop_newest", "block", "drop_oldest"};
    *number = SM_RING_SAME_POLICY;
    if (!policy) return 1;
    for (uint32_t i = 0; i < SM_RING_POLICIES; i++)
        if (strcmp(policy, names[i]) == 0) *number = i;
    return *number != SM_RING_SAME_POLICY;
}

int sevenm_open(const char *ring, const char *subscriber, const char *policy, sevenm_reader **out, char error[SEVENM_ERROR]) {
    uint32_t number;
    if (!policy_number(policy, &number)) {
        snprintf(error, SEVENM_ERROR, "policy must be one of drop_newest, block, drop_oldest, not %.100s", policy);
        return SM_RING_BAD;
    }
    sevenm_reader *reader = calloc(1, sizeof *reader);
    int code = reader ? sm_ring_attach(ring, subscriber, number, SM_RING_SAME_DEADLINE, SM_RECORD_HEADER, 0, &reader->ring, error)
                      : SM_RING_OS;
    if (!code && reader->ring->lanes->policy == SM_RING_DROP_OLDEST) {
        reader->copy = malloc((size_t)COPY_MAX * reader->ring->slot_size);
        code = reader->copy ? SM_RING_OK : SM_RING_OS;
    }
    if (code) {
        if (!reader || reader->ring) snprintf(error, SEVENM_ERROR, "there is no memory for a reader of ring %.100s", ring);
        sevenm_close(reader);
        return code;
    }
    *out = reader;
    return 0;
}

static void give_back(sevenm_reader *reader) {
    if (reader->held) sm_ring_give_back(reader->ring, reader->held);
    reader->held = 0;
}

uint32_t sevenm_read(sevenm_reader *reader, const sevenm_record **first) {
    if (reader->copy) {
        uint32_t at = 0, n = sm_ring_take(reader->ring, reader->copy, COPY_MAX, &at);
        *first = (const sevenm_record *)(const void *)(reader->copy + (size_t)at * reader->ring->slot_size);
        return n;
    }
    const sm_record *slot;
    give_back(reader);
    reader->held = sm_ring_peek(reader->ring, UINT32_MAX, &slot);
    *first = (const sevenm_record *)(const void *)slot;
    return reader->held;
}

enum sevenm_why sevenm_wait(sevenm_reader *reader, uint64_t timeout_us) {
    give_back(reader);
    return (enum sevenm_why)sm_ring_wait(reader->ring, timeout_us);
}

uint32_t sevenm_slot_size(const sevenm_reader *reader) { return reader->ring->slot_size; }

void sevenm_close(sevenm_reader *reader) {
    if (!reader) return;
    if (reader->ring) {
        sm_ring_close(reader->ring);
        sm_ring_free(reader->ring);
    }
    free(reader->copy);
    free(reader);
}
