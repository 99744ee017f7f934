/* What can be read of a ring: where its fields lie, and its counters. */
#include "ring_file.h"

#define ATTEMPTS 100 /* to see a digest that is not just being written */

#define FIELD(name, type, member) {name "." #member, offsetof(type, member), sizeof(((type *)0)->member)}
#define EVENT(member) FIELD("event", sm_event, member)
#define RECORD(member) FIELD("record", sm_record, member)
#define LANE(member) FIELD("lane", sm_lane_block, member)
#define RING(member) FIELD("ring", sm_ring_header, member)

const sm_field sm_fields[] = {
    EVENT(offset), EVENT(ts_ns), EVENT(cap_len), EVENT(wire_len),
    RECORD(ts_ns), RECORD(seq), RECORD(rule), RECORD(generation), RECORD(cap_len),
    RECORD(wire_len), RECORD(engine), RECORD(flags), RECORD(source), RECORD(reserved),
    RING(magic), RING(abi), RING(header_size), RING(slot_size), RING(record_header), RING(slots), RING(layout_hash),
    RING(created_ns), RING(unit), RING(digest_version), RING(digest), RING(epoch), RING(producer_pid), RING(state),
    RING(producer_barrier), RING(measured), RING(roll), RING(beat_ns),
    LANE(name), LANE(policy), LANE(state), LANE(deadline_us), LANE(epoch), LANE(pid), LANE(barrier), LANE(start), LANE(start_lost),
    LANE(start_undelivered), LANE(measured), LANE(consumed), LANE(lost), LANE(reader_wants), LANE(written), LANE(floor), LANE(accepted), LANE(in_force),
    LANE(undelivered), LANE(producer_wants),
    {0, 0, 0},
};

static void read_digest(const sm_ring_header *h, char *digest) {
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        uint64_t words[SM_RING_DIGEST / 8], before = atomic_load_explicit(&h->digest_version, memory_order_acquire);
        for (int i = 0; i < SM_RING_DIGEST / 8; i++) words[i] = atomic_load_explicit(&h->digest[i], memory_order_relaxed);
        atomic_thread_fence(memory_order_acquire);
        if (before & 1 || before != atomic_load_explicit(&h->digest_version, memory_order_relaxed)) continue;
        memcpy(digest, words, SM_RING_DIGEST);
        digest[SM_RING_DIGEST] = 0;
        if (strspn(digest, "0123456789abcdef") == SM_RING_DIGEST) return;
        break;
    }
    digest[0] = 0;
}

#define READ(field) atomic_load_explicit(&block->field, memory_order_relaxed)

/* A lane's counts; 0 if its indices cannot be. */
static int read_lane(const sm_ring *r, uint32_t number, const sm_lane_block *block, sm_lane_stats *out) {
    uint64_t words[SM_LANE_NAME / 8], floor = 0;
    for (int i = 0; i < SM_LANE_NAME / 8; i++) words[i] = READ(name[i]);
    memcpy(out->name, words, sizeof words);
    out->name[SM_LANE_NAME - 1] = 0;
    out->name[strspn(out->name, SM_LETTERS)] = 0;
    out->number = number;
    out->open = !number || READ(state) == SM_LANE_OPEN;
    out->policy = number ? READ(policy) : READ(in_force);
    out->pid = READ(pid);
    out->alive = sm_ring_alive(r, SM_BYTE_LANES + number);
    out->epoch = READ(epoch);
    out->start = READ(start);
    out->start_lost = READ(start_lost);
    for (int i = 0; i < SM_RING_CAUSES; i++) {
        out->undelivered[i] = READ(undelivered[i]);
        out->start_undelivered[i] = READ(start_undelivered[i]);
    }
    /* All of one moment: neither the reader nor the floor moved while the producer's index was read. */
    for (int attempt = 0; attempt < 10000; attempt++) {
        out->consumed = atomic_load_explicit(&block->consumed, memory_order_acquire);
        out->lost = READ(lost);
        floor = atomic_load_explicit(&block->floor, memory_order_acquire);
        out->delivered = atomic_load_explicit(&block->written, memory_order_acquire);
        atomic_thread_fence(memory_order_acquire);
        if (out->consumed == READ(consumed) && floor == READ(floor)) break;
    }
    if (floor && (int64_t)(floor - out->consumed) > 0) {
        out->lost += floor - out->consumed;
        out->consumed = floor;
    }
    return out->delivered - out->consumed <= r->slots;
}

int sm_ring_read_stats(const sm_ring *r, sm_ring_stats *out) {
    const sm_ring_header *h = r->shared;
    memset(out, 0, sizeof *out);
    out->slots = r->slots;
    out->slot_size = r->slot_size;
    out->record_header = r->record_header;
    out->layout_hash = r->layout_hash;
    out->created_ns = h->created_ns;
    out->epoch = atomic_load_explicit(&h->epoch, memory_order_relaxed);
    out->beat_ns = atomic_load_explicit(&h->beat_ns, memory_order_relaxed);
    out->state = atomic_load_explicit(&h->state, memory_order_relaxed);
    out->producer_pid = atomic_load_explicit(&h->producer_pid, memory_order_relaxed);
    out->producer_alive = sm_ring_alive(r, SM_BYTE_PRODUCER);
    read_digest(h, out->digest);
    const sm_lane_block *const blocks = (const sm_lane_block *)((const uint8_t *)h + SM_LANE_BLOCKS);
    out->measured = out->record_header && atomic_load_explicit(&h->measured, memory_order_acquire) == 1;
    for (uint32_t i = 0; i < SM_RING_LANES; i++) {
        if (!read_lane(r, i, &blocks[i], &out->lanes[i])) out->corrupt |= 1u << i;
        if (out->lanes[i].open && atomic_load_explicit(&blocks[i].measured, memory_order_acquire) == 1)
            out->measured |= 2u << i;
    }
    return out->corrupt & 1 ? SM_RING_CORRUPT : SM_RING_OK;
}
