/* Indexing of pcap and pcapng. Formats: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng. The same, in Python:
 * host/capture/pcap_classic.py and host/capture/pcapng.py; the tests hold the two equal. */
#include "index.h"

#include <string.h>

static_assert(sizeof(sm_interface) == 24, "sm_interface is 24 bytes");
static_assert(sizeof(sm_step) == 40, "sm_step is 40 bytes");

__extension__ typedef __int128 i128;
__extension__ typedef unsigned __int128 u128;

#define NS_PER_S 1000000000u
/* The chain of lengths hides from the processor what comes next, so it is fetched by guess, in bytes. It may lie outside
 * of the buffer: a prefetch cannot fault. */
#define AHEAD 1024

static const uint64_t POWERS[20] = {
    1u, 10u, 100u, 1000u, 10000u, 100000u, 1000000u, 10000000u, 100000000u, 1000000000u, 10000000000u, 100000000000u,
    1000000000000u, 10000000000000u, 100000000000000u, 1000000000000000u, 10000000000000000u, 100000000000000000u,
    1000000000000000000u, 10000000000000000000u};

static inline uint32_t u4(const uint8_t *at, uint32_t big)
{
    uint32_t value;
    memcpy(&value, at, 4);
    return big ? __builtin_bswap32(value) : value;
}

static inline uint32_t u2(const uint8_t *at, uint32_t big)
{
    uint16_t value;
    memcpy(&value, at, 2);
    return big ? __builtin_bswap16(value) : value;
}

/* Fills one event; a length on the wire below the captured one is raised to it, and counted. */
static inline void put(sm_event *event, uint64_t offset, uint64_t ts_ns, uint32_t cap_len, uint32_t wire_len,
                       uint64_t *clamped)
{
    *clamped += wire_len < cap_len;
    event->offset = offset;
    event->ts_ns = ts_ns;
    event->cap_len = cap_len;
    event->wire_len = wire_len < cap_len ? cap_len : wire_len;
}

void sm_index_pcap(const uint8_t *buffer, uint64_t start, uint64_t end, uint32_t big, uint32_t nano, sm_event *events,
                   uint32_t max, sm_step *step)
{
    const uint64_t unit = nano ? 1 : 1000;
    uint64_t at = start, clamped = 0, need = 0, found = 0;
    uint32_t count = 0, status = SM_STEP_FULL;

    while (count < max) {
        if (end - at < 16) {
            need = 16;
            status = SM_STEP_MORE;
            break;
        }
        const uint8_t *head = buffer + at;
        __builtin_prefetch((const void *)((uintptr_t)head + AHEAD));
        const uint32_t cap_len = u4(head + 8, big);
        if (cap_len > SM_CAPTURE_MAX) {
            found = cap_len;
            status = SM_STEP_TOO_LONG;
            break;
        }
        if (end - at - 16 < cap_len) {
            need = 16 + (uint64_t)cap_len;
            status = SM_STEP_MORE;
            break;
        }
        put(&events[count++], at + 16, (uint64_t)u4(head, big) * NS_PER_S + u4(head + 4, big) * unit, cap_len,
            u4(head + 12, big), &clamped);
        at += 16 + (uint64_t)cap_len;
    }
    *step = (sm_step){at, need, found, clamped, count, status};
}

/* Ticks of an interface's clock as nanoseconds since 1970, held between 0 and 2^64 - 1. */
static uint64_t nanoseconds(uint64_t ticks, const sm_interface *interface)
{
    const uint32_t exponent = interface->exponent;
    u128 time;
    if (interface->binary)
        time = exponent < 128 ? ((u128)ticks * NS_PER_S) >> exponent : 0;
    else if (exponent <= 9)
        time = (u128)ticks * POWERS[9 - exponent];
    else
        time = exponent - 9 < 20 ? ticks / POWERS[exponent - 9] : 0;
    const i128 sum = (i128)time + (i128)interface->offset_s * NS_PER_S;
    return sum < 0 ? 0 : sum > (i128)UINT64_MAX ? UINT64_MAX : (uint64_t)sum;
}

void sm_index_pcapng(const uint8_t *buffer, uint64_t start, uint64_t end, uint32_t big, const sm_interface *interfaces,
                     uint32_t n_interfaces, uint32_t link, sm_event *events, uint32_t max, sm_step *step)
{
    enum { SECTION = 0x0A0D0D0A, INTERFACE = 1, PACKET = 2, SIMPLE = 3, ENHANCED = 6 };
    uint64_t at = start, clamped = 0, need = 0, found = 0;
    uint32_t count = 0, status = SM_STEP_FULL;

    while (count < max) {
        if (end - at < 8) {
            need = 12;
            status = SM_STEP_MORE;
            break;
        }
        const uint8_t *block = buffer + at;
        __builtin_prefetch((const void *)((uintptr_t)block + AHEAD));
        const uint32_t type = u4(block, big), total = u4(block + 4, big);
        if (type == SECTION || type == INTERFACE) {
            status = SM_STEP_CONTROL;
            break;
        }
        if (total < 12 || total % 4 || total > SM_BLOCK_MAX) {
            found = total;
            status = SM_STEP_BLOCK;
            break;
        }
        if (end - at < total) {
            need = total;
            status = SM_STEP_MORE;
            break;
        }
        const uint32_t trailer = u4(block + total - 4, big);
        if (trailer != total) {
            found = trailer;
            status = SM_STEP_TRAILER;
            break;
        }
        if (type != ENHANCED && type != PACKET && type != SIMPLE) {
            at += total;
            continue;
        }
        const uint32_t overhead = type == SIMPLE ? 16 : 32;
        if (total < overhead) {
            found = total;
            status = SM_STEP_BLOCK;
            break;
        }
        const uint32_t number = type == SIMPLE ? 0 : type == PACKET ? u2(block + 8, big) : u4(block + 8, big);
        if (number >= n_interfaces) {
            found = number;
            status = SM_STEP_INTERFACE;
            break;
        }
        const sm_interface *interface = &interfaces[number];
        if (interface->link != link) {
            found = number;
            status = SM_STEP_LINK;
            break;
        }
        const uint32_t wire_len = u4(block + (type == SIMPLE ? 8 : 24), big);
        uint32_t cap_len = wire_len;
        uint64_t ts_ns = 0;
        if (type == SIMPLE) {
            if (interface->snaplen && cap_len > interface->snaplen)
                cap_len = interface->snaplen;
        } else {
            cap_len = u4(block + 20, big);
            ts_ns = nanoseconds((uint64_t)u4(block + 12, big) << 32 | u4(block + 16, big), interface);
        }
        if (cap_len > SM_CAPTURE_MAX) {
            found = cap_len;
            status = SM_STEP_TOO_LONG;
            break;
        }
        if (cap_len > total - overhead) {
            found = cap_len;
            status = SM_STEP_OUTSIDE;
            break;
        }
        put(&events[count++], at + overhead - 4, ts_ns, cap_len, wire_len, &clamped);
        at += total;
    }
    *step = (sm_step){at, need, found, clamped, count, status};
}
