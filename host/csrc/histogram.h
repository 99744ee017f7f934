/* Latencies in HdrHistogram's layout: nanoseconds from 1 to an hour with two significant digits, in 36 KiB that are there
 * from the beginning. Recording is a shift and a store. One thread writes; any other one, or another process where the
 * memory is shared, reads the counts at any time, each of which is exact.
 *
 * Index of a value v, as HdrHistogram computes it for these bounds (lowest 1, highest 3.6e12, 2 digits: 256 sub-buckets):
 * bucket b = 64 - 8 - clz(v | 255), index = (b << 7) + (v >> b). Values below 256 have a count of their own. */
#ifndef SM_HISTOGRAM_H
#define SM_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

#define SM_HISTOGRAM_COUNTS 4608 /* 35 buckets and one more, of 128 sub-buckets each */
#define SM_HISTOGRAM_MAX UINT64_C(3600000000000)

typedef struct {
    _Atomic uint64_t max;     /* the largest value */
    _Atomic uint64_t over;    /* more than an hour: counted as an hour */
    _Atomic uint64_t early;   /* times after the clock that they were compared with: not in the counts */
    _Atomic uint64_t unknown; /* no time was known: not in the counts */
    _Atomic uint64_t counts[SM_HISTOGRAM_COUNTS];
} sm_histogram;

static inline void sm_histogram_add(_Atomic uint64_t *to, uint64_t n)
{
    atomic_store_explicit(to, atomic_load_explicit(to, memory_order_relaxed) + n, memory_order_relaxed);
}

static inline void sm_histogram_top(sm_histogram *h, uint64_t value)
{
    if (value > atomic_load_explicit(&h->max, memory_order_relaxed))
        atomic_store_explicit(&h->max, value, memory_order_relaxed);
}

/* n times the value, in nanoseconds. The largest value is the caller's to tell, once for many (sm_histogram_top). */
static inline void sm_histogram_record(sm_histogram *h, uint64_t value, uint64_t n)
{
    if (__builtin_expect(value > SM_HISTOGRAM_MAX, 0)) {
        sm_histogram_add(&h->over, n);
        value = SM_HISTOGRAM_MAX;
    }
    const unsigned bucket = 56u - (unsigned)__builtin_clzll(value | 255);
    sm_histogram_add(&h->counts[(bucket << 7) + (value >> bucket)], n);
}

/* How long before now an event arrived (nanoseconds since 1970, 0 for unknown). */
static inline void sm_histogram_age(sm_histogram *h, uint64_t now, uint64_t at)
{
    if (at == 0)
        sm_histogram_add(&h->unknown, 1);
    else if (at > now)
        sm_histogram_add(&h->early, 1);
    else {
        sm_histogram_top(h, now - at);
        sm_histogram_record(h, now - at, 1);
    }
}

/* How long before now the n times are, that lie `stride` bytes apart from `first` on (eight bytes each, nanoseconds since
 * 1970, 0 for unknown). */
void sm_histogram_ages(sm_histogram *h, uint64_t now, const uint8_t *first, uint64_t stride, uint64_t n);

/* n values. */
void sm_histogram_values(sm_histogram *h, const uint64_t *values, uint64_t n);

/* Where a loop is to keep its latencies: set with sm_loop_watch. */
typedef struct {
    sm_histogram decided; /* every event, from its arrival until its rules are known */
    sm_histogram in_ring; /* every event, from then until what it is due is in the rings, or counted */
    uint64_t decided_ns;  /* when the present batch was decided */
} sm_latency;

void sm_latency_decided(sm_latency *latency, const uint8_t *first, uint64_t stride, uint64_t n);
void sm_latency_delivered(sm_latency *latency, uint64_t n);

#endif
