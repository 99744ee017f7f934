#include "ring.h"

#define FIELD(name, type, member) {name "." #member, offsetof(type, member), sizeof(((type *)0)->member)}
#define EVENT(member) FIELD("event", sm_event, member)
#define RECORD(member) FIELD("record", sm_record, member)

const sm_field sm_fields[] = {
    EVENT(offset), EVENT(ts_ns), EVENT(cap_len), EVENT(wire_len),
    RECORD(ts_ns), RECORD(seq), RECORD(rule), RECORD(generation), RECORD(cap_len),
    RECORD(wire_len), RECORD(engine), RECORD(flags), RECORD(source), RECORD(reserved),
    {0, 0, 0},
};
