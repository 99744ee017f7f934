#include "ingress_ring.h"

#include <errno.h>

#include "ring_wait.h"

#define NEAR 256 /* bytes of a burst that are asked for at once; what comes after them the engine asks for in time */

/* Asks for the first slots. The producer has them in its cache, as it has its index, and another processor's line takes a
 * while to come: the two are waited for together where the slot is asked for before the index says that it is full. It
 * is only a hint: what came too early is fetched again when it is read, after the index. */
static void ask(const uint8_t *first, uint32_t n, uint32_t slot_size)
{
    const uint64_t bytes = (uint64_t)n * slot_size;
    for (uint64_t at = 0; at < bytes && at < NEAR; at += 64)
        __builtin_prefetch(first + at);
}

/* With record headers: what the producer says of each. Each field once, because the engine believes the table, and the
 * producer may write while this looks. */
static void describe(sm_ring_ingress *ingress, const uint8_t *first, uint32_t n)
{
    const sm_ring *const ring = ingress->ring;
    const uint32_t room = ring->slot_size - SM_RECORD_HEADER;
    const uint64_t start = (uint64_t)(first - ring->lanes->base) + SM_RECORD_HEADER;
    for (uint32_t i = 0; i < n; i++) {
        const uint64_t at = (uint64_t)i * ring->slot_size;
        const sm_record *const record = (const sm_record *)(first + at);
        const uint32_t cap_len = __atomic_load_n(&record->cap_len, __ATOMIC_RELAXED);
        const uint32_t wire_len = __atomic_load_n(&record->wire_len, __ATOMIC_RELAXED);
        const uint32_t held = cap_len < room ? cap_len : room;
        ingress->live.damaged += cap_len > room;
        ingress->table[i] = (sm_event){start + at, __atomic_load_n(&record->ts_ns, __ATOMIC_RELAXED), held,
                                       wire_len > held ? wire_len : held};
    }
}

/* Without: each slot is one event, and has just arrived. */
static void describe_bare(sm_ring_ingress *ingress, const uint8_t *first, uint32_t n)
{
    const sm_ring *const ring = ingress->ring;
    const uint64_t start = (uint64_t)(first - ring->lanes->base);
    const uint64_t ts_ns = sm_now_ns();
    for (uint32_t i = 0; i < n; i++)
        ingress->table[i] = (sm_event){start + (uint64_t)i * ring->slot_size, ts_ns, ring->slot_size, ring->slot_size};
}

static int next(sm_ingress *base, sm_burst *burst)
{
    sm_ring_ingress *const ingress = (sm_ring_ingress *)base;
    sm_ring *const ring = ingress->ring;
    const sm_record *first;
    uint32_t n = sm_ring_peek(ring, ingress->burst, &first);

    /* Looks on for a while: to come back later takes whoever runs the loop longer than the next record does. */
    for (int i = 0; !n && !ring->lanes->fault && !ingress->live.ended && i < SM_SPINS; i++) {
        sm_relax();
        ask((const uint8_t *)first, 1, ring->slot_size);
        n = sm_ring_peek(ring, ingress->burst, &first);
    }
    if (!n) {
        if (ring->lanes->fault)
            ingress->live.fault = EPROTO;
        return sm_live_nothing(&ingress->live);
    }
    ask((const uint8_t *)first, n, ring->slot_size);
    if (ring->record_header)
        describe(ingress, (const uint8_t *)first, n);
    else
        describe_bare(ingress, (const uint8_t *)first, n);
    ingress->live.received += n;
    *burst = (sm_burst){ring->lanes->base, ingress->table, n, ingress->live.port, 0};
    return SM_INGRESS_READY;
}

static void release(sm_ingress *base, const sm_burst *burst)
{
    sm_ring_give_back(((sm_ring_ingress *)base)->ring, (uint32_t)burst->n);
}

static int wait(sm_ingress *base, uint64_t timeout_us)
{
    sm_ring_ingress *const ingress = (sm_ring_ingress *)base;
    if (ingress->live.fault || ingress->live.ended)
        return -1;
    const int found = sm_ring_wait(ingress->ring, timeout_us);
    if (found == SM_WAIT_CLOSED || found == SM_WAIT_GONE) {
        ingress->over = found;
        ingress->live.ended = 1; /* seen by next once the ring is empty */
    }
    return found != SM_WAIT_TIME && found != SM_WAIT_SIGNAL;
}

static const sm_ingress_ops OPS = {"ring", next, release, sm_live_close, wait};

void sm_ring_ingress_open(sm_ring_ingress *ingress, sm_ring *ring, sm_event *table, uint32_t burst, uint32_t port)
{
    *ingress = (sm_ring_ingress){.live = {.base = {&OPS}, .fd = -1, .port = port}, .ring = ring, .table = table, .burst = burst};
}

uint64_t sm_ring_ingress_undelivered(const sm_ring_ingress *ingress)
{
    const sm_lane_block *const block = ingress->ring->lanes->shared;
    uint64_t sum = 0;
    for (int i = 0; i < SM_RING_CAUSES; i++)
        sum += atomic_load_explicit(&block->undelivered[i], memory_order_relaxed);
    return sum;
}
