/* The same, in Python: host/capture/writer.py; the tests hold the two equal. */
#include "pcap_write.h"

#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "records are written in memory order, which must be little endian"
#endif

#define NS_PER_S 1000000000u

uint64_t sm_pcap_write(const uint8_t *buffer, const sm_event *events, uint64_t n, const uint64_t *select,
                       uint32_t cap_max, uint8_t *out)
{
    uint64_t at = 0;
    for (uint64_t w = 0; w < (n + 63) / 64; w++) {
        for (uint64_t left = select[w]; left; left &= left - 1) {
            const uint64_t i = w * 64 + (unsigned)__builtin_ctzll(left);
            if (i >= n)
                break;
            const sm_event *event = &events[i];
            const uint64_t seconds = event->ts_ns / NS_PER_S;
            const uint32_t held = event->cap_len < cap_max ? event->cap_len : cap_max;
            const uint32_t head[4] = {
                seconds > UINT32_MAX ? UINT32_MAX : (uint32_t)seconds,
                seconds > UINT32_MAX ? NS_PER_S - 1 : (uint32_t)(event->ts_ns % NS_PER_S),
                held,
                event->wire_len < held ? held : event->wire_len,
            };
            memcpy(out + at, head, sizeof head);
            memcpy(out + at + sizeof head, buffer + event->offset, held);
            at += sizeof head + held;
        }
    }
    return at;
}
