/* One delivered record: the header of a ring's slot, followed by the slot's data. Little endian.
 * Field meanings follow Napatech's Dyn4 descriptor. */
#ifndef SM_RECORD_H
#define SM_RECORD_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "sevenm's records are little endian; this machine is not"
#endif

enum { SM_ENGINE_REFERENCE = 1, SM_ENGINE_HOST = 2, SM_ENGINE_RTL = 3, SM_ENGINE_NIC = 4 };
enum { SM_FLAG_CUT = 1, SM_FLAG_MALFORMED = 2, SM_FLAG_TRUNCATED = 4 };

typedef struct {
    uint64_t ts_ns;      /* nanoseconds since 1970-01-01T00:00Z */
    uint64_t seq;        /* per ring, from 0, counts delivered records; the ring writes it */
    uint32_t rule;       /* index in the Plan of the first fired rule that delivers to this channel */
    uint32_t generation; /* of the rules that produced the match */
    uint16_t cap_len;    /* bytes of data in this slot */
    uint16_t wire_len;   /* bytes on the wire, saturated at 65535 */
    uint8_t engine;      /* SM_ENGINE_… */
    uint8_t flags;       /* SM_FLAG_… */
    uint8_t source;      /* ingress port */
    uint8_t reserved;    /* 0 */
} sm_record;

#define SM_RECORD_HEADER 32

static_assert(sizeof(sm_record) == SM_RECORD_HEADER, "the record header is 32 bytes");
static_assert(offsetof(sm_record, ts_ns) == 0, "ts_ns at 0");
static_assert(offsetof(sm_record, seq) == 8, "seq at 8");
static_assert(offsetof(sm_record, rule) == 16, "rule at 16");
static_assert(offsetof(sm_record, generation) == 20, "generation at 20");
static_assert(offsetof(sm_record, cap_len) == 24, "cap_len at 24");
static_assert(offsetof(sm_record, wire_len) == 26, "wire_len at 26");
static_assert(offsetof(sm_record, engine) == 28, "engine at 28");
static_assert(offsetof(sm_record, flags) == 29, "flags at 29");
static_assert(offsetof(sm_record, source) == 30, "source at 30");
static_assert(offsetof(sm_record, reserved) == 31, "reserved at 31");

#endif
