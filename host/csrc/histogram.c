#include "histogram.h"

#include <string.h>

#include "clock.h"

void sm_histogram_ages(sm_histogram *h, uint64_t now, const uint8_t *first, uint64_t stride, uint64_t n)
{
    uint64_t top = 0;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t at;
        memcpy(&at, first + i * stride, sizeof at);
        if (at == 0)
            sm_histogram_add(&h->unknown, 1);
        else if (at > now)
            sm_histogram_add(&h->early, 1);
        else {
            top = now - at > top ? now - at : top;
            sm_histogram_record(h, now - at, 1);
        }
    }
    sm_histogram_top(h, top);
}

void sm_histogram_values(sm_histogram *h, const uint64_t *values, uint64_t n)
{
    uint64_t top = 0;
    for (uint64_t i = 0; i < n; i++) {
        top = values[i] > top ? values[i] : top;
        sm_histogram_record(h, values[i], 1);
    }
    sm_histogram_top(h, top);
}

void sm_latency_decided(sm_latency *latency, const uint8_t *first, uint64_t stride, uint64_t n)
{
    latency->decided_ns = sm_now_ns();
    sm_histogram_ages(&latency->decided, latency->decided_ns, first, stride, n);
}

void sm_latency_delivered(sm_latency *latency, uint64_t n)
{
    const uint64_t now = sm_now_ns();
    if (now < latency->decided_ns) { /* the clock was set back meanwhile */
        sm_histogram_add(&latency->in_ring.early, n);
        return;
    }
    sm_histogram_top(&latency->in_ring, now - latency->decided_ns);
    sm_histogram_record(&latency->in_ring, now - latency->decided_ns, n);
}
