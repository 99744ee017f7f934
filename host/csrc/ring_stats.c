/* What can be read of a ring: where its fields lie, and its counters. */
#include "ring.h"

#define ATTEMPTS 100 /* to see a digest that is not just being written */

#define FIELD(name, type, member) {name "." #member, offsetof(type, member), sizeof(((type *)0)->member)}
#define EVENT(member) FIELD("event", sm_event, member)
#define RECORD(member) FIELD("record", sm_record, member)
#define RING(member) FIELD("ring", sm_ring_header, member)

const sm_field sm_fields[] = {
    EVENT(offset), EVENT(ts_ns), EVENT(cap_len), EVENT(wire_len),
    RECORD(ts_ns), RECORD(seq), RECORD(rule), RECORD(generation), RECORD(cap_len),
    RECORD(wire_len), RECORD(engine), RECORD(flags), RECORD(source), RECORD(reserved),
    RING(magic), RING(abi), RING(header_size), RING(slot_size), RING(reserved), RING(slots), RING(layout_hash),
    RING(created_ns), RING(digest_version), RING(digest), RING(epoch), RING(producer_pid), RING(state), RING(policy),
    RING(reader_epoch), RING(reader_pid), RING(written), RING(consumed), RING(undelivered),
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

int sm_ring_read_stats(const sm_ring *r, sm_ring_stats *out) {
    const sm_ring_header *h = r->shared;
    memset(out, 0, sizeof *out);
    out->slots = r->slots;
    out->slot_size = r->slot_size;
    out->layout_hash = r->layout_hash;
    out->created_ns = h->created_ns;
    out->epoch = atomic_load_explicit(&h->epoch, memory_order_relaxed);
    out->reader_epoch = atomic_load_explicit(&h->reader_epoch, memory_order_relaxed);
    out->policy = atomic_load_explicit(&h->policy, memory_order_relaxed);
    out->state = atomic_load_explicit(&h->state, memory_order_relaxed);
    out->producer_pid = atomic_load_explicit(&h->producer_pid, memory_order_relaxed);
    out->reader_pid = atomic_load_explicit(&h->reader_pid, memory_order_relaxed);
    out->producer_alive = sm_ring_alive(r, SM_RING_PRODUCER);
    out->reader_alive = sm_ring_alive(r, SM_RING_READER);
    read_digest(h, out->digest);
    for (int i = 0; i < SM_RING_CAUSES; i++)
        out->undelivered[i] = atomic_load_explicit(&h->undelivered[i], memory_order_relaxed);
    /* Both indices of one moment: the reader did not move while the producer's was read. */
    for (int attempt = 0; attempt < 10000; attempt++) {
        out->consumed = atomic_load_explicit(&h->consumed, memory_order_acquire);
        out->delivered = atomic_load_explicit(&h->written, memory_order_acquire);
        atomic_thread_fence(memory_order_acquire);
        if (out->consumed == atomic_load_explicit(&h->consumed, memory_order_relaxed)) break;
    }
    return out->delivered - out->consumed > out->slots ? SM_RING_CORRUPT : SM_RING_OK;
}
