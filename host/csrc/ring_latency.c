/* Latencies in the ring: each side that measures has a histogram of its own, which others read as they read a file. */
#include <unistd.h>

#include "ring_map.h"

int sm_ring_measure(sm_ring *r, char *error) {
    if (r->lanes->fault == SM_RING_DISOWNED || r->role == SM_RING_OBSERVER)
        return sm_fail(SM_RING_DISOWNED, "ring %s is closed in this process, or was opened before a fork; open it again", r->name);
    if (!r->record_header)
        return sm_fail(SM_RING_BAD, "ring %s has bare slots, which say no time of arrival; nothing can be measured", r->name);
    const uint64_t at = SM_RING_HISTOGRAM_AT(r->role == SM_RING_PRODUCER ? 0 : 1 + r->lanes->number);
    int code = sm_ring_get_memory(r->fd, r->name, at, at + SM_RING_HEADER, error);
    if (code) return code;
    sm_histogram *const h = (sm_histogram *)((uint8_t *)r->shared + at);
    _Atomic uint32_t *const measured = r->role == SM_RING_PRODUCER ? &r->shared->measured : &r->lanes->shared->measured;
    atomic_store_explicit(measured, 0, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    atomic_store_explicit(&h->max, 0, memory_order_relaxed);
    atomic_store_explicit(&h->over, 0, memory_order_relaxed);
    atomic_store_explicit(&h->early, 0, memory_order_relaxed);
    atomic_store_explicit(&h->unknown, 0, memory_order_relaxed);
    for (int i = 0; i < SM_HISTOGRAM_COUNTS; i++) atomic_store_explicit(&h->counts[i], 0, memory_order_relaxed);
    atomic_store_explicit(measured, 1, memory_order_release);
    r->latency = h;
    return SM_RING_OK;
}

/* Not mapped: where another process says that there is a histogram, and there is no memory for it, that is a short read or
 * zeros, and no SIGBUS of who looks. */
int sm_ring_read_latency(const sm_ring *r, uint32_t which, sm_histogram *out) {
    return r->fd >= 0 && which <= SM_RING_LANES &&
           pread(r->fd, (void *)out, sizeof *out, SM_RING_HISTOGRAM_AT(which)) == (ssize_t)sizeof *out;
}
