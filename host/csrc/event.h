/* One event of a batch: where its bytes lie in the batch's buffer, and when it was seen. */
#ifndef SM_EVENT_H
#define SM_EVENT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#ifndef SM_EVENT_DEFINED
#define SM_EVENT_DEFINED
typedef struct {
    uint64_t offset; /* first byte in the batch's buffer */
    uint64_t ts_ns;  /* nanoseconds since 1970-01-01T00:00Z */
    uint32_t cap_len; /* bytes captured, all in the buffer */
    uint32_t wire_len; /* bytes on the wire, at least cap_len where known */
} sm_event;
#endif

static_assert(sizeof(sm_event) == 24, "sm_event is 24 bytes");
static_assert(offsetof(sm_event, offset) == 0, "offset at 0");
static_assert(offsetof(sm_event, ts_ns) == 8, "ts_ns at 8");
static_assert(offsetof(sm_event, cap_len) == 16, "cap_len at 16");
static_assert(offsetof(sm_event, wire_len) == 20, "wire_len at 20");

#endif
