/* Match engine of the Plan blocks. Generated; the Plan is the source.
   structure 8eefb2c229d69bb792f1088d3f08f30fc2097bf226b4624473178cde8d101ec7
   5 rules, 24 loads, 293 statements.

   64 events at a time: a field is a column of 64 values, a condition is a word of 64 bits. Bytes are gathered from
   the packets one header at a time; everything else works on whole columns. What counts only under a condition that
   holds for no event of the 64 is skipped. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "sm_boundary.h"
#include "engine_lanes.h"
#include "engine_windows.h"
#include "engine_lookups.h"

/* ==== From here on for this Plan ================================================================================= */

#define RULES 5
#define FIRED_MAX 5 /* entries of sm_fired that 64 events can need */

/* ---- Tables of constants ---------------------------------------------------------------------------------------- */

static const u16 ethertype_1_low[3] = {
    (u16)0x8100u, (u16)0x88a8u, (u16)0x9100u,
};

static const u16 ethertype_1_span[3] = {
    0, 0, 0,
};

static const u16 ethertype_2_low[3] = {
    (u16)0x8100u, (u16)0x88a8u, (u16)0x9100u,
};

static const u16 ethertype_2_span[3] = {
    0, 0, 0,
};

static const u8 ext1_kind_low[4] = {
    0, 43, 51, 60,
};

static const u8 ext1_kind_span[4] = {
    0, 1, 0, 0,
};

static const u8 ext2_kind_low[4] = {
    0, 43, 51, 60,
};

static const u8 ext2_kind_span[4] = {
    0, 1, 0, 0,
};

static const u16 l3_at_0_16_low[2] = {
    1, 6,
};

static const u16 l3_at_0_16_span[2] = {
    0, 0,
};

static const u16 ethertype_3_low[3] = {
    (u16)0x8100u, (u16)0x88a8u, (u16)0x9100u,
};

static const u16 ethertype_3_span[3] = {
    0, 0, 0,
};

static const u8 ipv6_protocol_low[4] = {
    0, 43, 51, 60,
};

static const u8 ipv6_protocol_span[4] = {
    0, 1, 0, 0,
};

static const u16 ethertype_low[3] = {
    (u16)0x8100u, (u16)0x88a8u, (u16)0x9100u,
};

static const u16 ethertype_span[3] = {
    0, 0, 0,
};

static const u8 ext1_kind_low_2[4] = {
    0, 43, 51, 60,
};

static const u8 ext1_kind_span_2[4] = {
    0, 1, 0, 0,
};

static const u16 ethertype_1_low_2[3] = {
    (u16)0x8100u, (u16)0x88a8u, (u16)0x9100u,
};

static const u16 ethertype_1_span_2[3] = {
    0, 0, 0,
};

static const u16 ethertype_low_2[3] = {
    (u16)0x8100u, (u16)0x88a8u, (u16)0x9100u,
};

static const u16 ethertype_span_2[3] = {
    0, 0, 0,
};

static const u8 ext1_kind_low_3[4] = {
    0, 43, 51, 60,
};

static const u8 ext1_kind_span_3[4] = {
    0, 1, 0, 0,
};


/* ---- Columns: what is known of 64 events ------------------------------------------------------------------------ */

#define SLOT 64u /* bytes that stand in for those of an event that ends too early */
typedef u16 captured_t;
#define CAPTURED 65535u /* captured bytes are counted up to this; the rules cannot tell more */
struct columns {
    captured_t captured[LANES] ALIGNED;
    u16 size[LANES] ALIGNED; /* bytes on the wire */
    uintptr_t at[LANES] ALIGNED; /* where the event's bytes are */
    uintptr_t was[LANES] ALIGNED; /* the same, of those that are led to a copy */
    u8 u8_[8][LANES] ALIGNED;
    u16 u16_[8][LANES] ALIGNED;
    u32 u32_[8][LANES] ALIGNED;
    u64 live; /* lanes with an event to decide */
    u64 free; /* events that no rule of the block has taken */
    sm_chunk *chunk;
    sm_fired *fired; /* the next entry */
    const sm_table *tables;
    const u8 *buffer;
    const sm_event *events;
    uintptr_t from[LANES] ALIGNED; /* where a window is read */
    u64 strays;  /* lanes that do not have the shape */
    u64 looking; /* not 0: to know the strays is all that is wanted */
    unsigned next;  /* events from a chunk to the next one, 0 if there is none */
    unsigned ahead; /* chunks whose strays are decided */
    unsigned skip;  /* chunks that go untried, after one of many strays */
    unsigned pause; /* as many as went untried the last time, 0 if one was usual since */
    unsigned second; /* 1 if the second shape is the one that is tried */
    u8 copy[LANES][SLOT] ALIGNED;
};

/* ---- Fetch: where 64 events are, and the fields at fixed places ------------------------------------------------- */

/* Bytes [from, from + count) of an event as far as they were captured, then zeros. */
static __attribute__((noinline, unused)) const u8 *stand_in(struct columns *restrict c, unsigned i, u32 captured,
                                                            const u8 *packet, u32 from, u32 count)
{
    u32 there = captured > from ? captured - from : 0;
    u8 *copy = c->copy[i];
    memset(copy, 0, count);
    if (there)
        memcpy(copy, packet + from, there < count ? there : count);
    return copy;
}

/* Before bytes base + first up to base + end are read: leads the events that end earlier to copies, and says which. */
static __attribute__((noinline, unused)) void lead(struct columns *restrict c, unsigned i, u32 from, u32 count)
{
    static const u8 nothing[SLOT];
    const u8 *bytes = nothing;
    if (c->captured[i] > from)
        bytes = stand_in(c, i, c->captured[i], (const u8 *)c->at[i], from, count);
    c->was[i] = c->at[i];
    c->at[i] = (uintptr_t)bytes - from;
}

/* After that. */
INLINE void lead_back(struct columns *restrict c, u64 moved)
{
    for (; moved; moved &= moved - 1)
        c->at[__builtin_ctzll(moved)] = c->was[__builtin_ctzll(moved)];
}

#define REACH(NAME, WIDE, PARAMETER, BASE) \
    INLINE u64 NAME(struct columns *restrict c, PARAMETER u32 first, u32 end) \
    { \
        u8 b[LANES] ALIGNED; \
        EACH b[i] = c->captured[i] < (WIDE)(BASE + end); \
        u64 moved = pack(b); \
        for (u64 lanes = moved; lanes; lanes &= lanes - 1) { \
            unsigned i = (unsigned)__builtin_ctzll(lanes); \
            lead(c, i, BASE + first, end - first); \
        } \
        return moved; \
    }
REACH(reach, u32, , 0)
REACH(reach_u8, captured_t, const u8 *base COMMA, base[i])
REACH(reach_u16, captured_t, const u16 *base COMMA, base[i])

#define AHEAD 32u /* packets whose first line is fetched before it is needed */
/* Lanes without an event hold what the last one holds. */
#define REPEAT(COLUMN) \
    do { \
        const __typeof__(*(COLUMN)) value = (COLUMN)[last]; \
        for (unsigned i = from; i < LANES; i++) \
            (COLUMN)[i] = value; \
    } while (0)
static void fetch(struct columns *restrict c, unsigned n, uint64_t more)
{
    u16 *const ethertype_1 = c->u16_[0];
    const unsigned last = n - 1;
    for (unsigned i = 0; i < n; i++) {
        const sm_event *event = c->events + i;
        const u8 *p = c->buffer + event->offset;
        __builtin_prefetch(c->buffer + c->events[i + AHEAD < more ? i + AHEAD : i].offset);
        c->at[i] = (uintptr_t)p;
        c->captured[i] = (captured_t)(event->cap_len < CAPTURED ? event->cap_len : CAPTURED);
        c->size[i] = (u16)(event->wire_len < SM_SIZE_MAX ? event->wire_len : SM_SIZE_MAX);
        if (__builtin_expect(event->cap_len < 14, 0))
            p = stand_in(c, i, event->cap_len, p, 0, 14);
        ethertype_1[i] = get_u16(p + 12);
    }
    /* One event alone fills its columns from the first lane on: what was stored lane by lane is waited for before it can be
       loaded as a vector. */
    const unsigned from = n > 1 ? n : 0;
    REPEAT(c->at);
    REPEAT(c->captured);
    REPEAT(c->size);
    REPEAT(ethertype_1);
}

/* ---- Rules that fire -------------------------------------------------------------------------------------------- */

/* The rule fires on these events. */
INLINE u64 fire(struct columns *restrict c, u64 events, uint32_t rule)
{
    if (events)
        *c->fired++ = (sm_fired){events, rule, 0};
    return events;
}

/* The rule fires on those of these events that no other rule of the block took. */
INLINE u64 take(struct columns *restrict c, u64 events, uint32_t rule)
{
    events &= c->free;
    c->free &= ~events;
    return fire(c, events, rule);
}

/* ---- Stages: columns, conditions and rules ---------------------------------------------------------------------- */

static void stage_0(struct columns *restrict c)
{
    u8 *const after_captured = c->u8_[0], *const v23 = c->u8_[0], *const l3 = c->u8_[1];
    u8 *const l3_at_9_8 = c->u8_[0], *const after_l3 = c->u8_[2], *const l3_at_0_8 = c->u8_[3];
    u8 *const ext1_kind = c->u8_[4], *const l3_version = c->u8_[5], *const ext1_start = c->u8_[6];
    u8 *const l3_plus_48 = c->u8_[7], *const l3_at_41_8 = c->u8_[7], *const ip_words = c->u8_[5];
    u8 *const l3_at_40_8 = c->u8_[3], *const ext2_kind = c->u8_[6], *const ext2_start_at_1_8 = c->u8_[3];
    u8 *const after_ext2_start = c->u8_[7], *const ip_words_times_4 = c->u8_[3], *const ip_l4 = c->u8_[5];
    u8 *const after_l4 = c->u8_[4], *const ext2_start_at_0_8 = c->u8_[5], *const ipv6_protocol = c->u8_[7];
    u8 *const l4_protocol = c->u8_[6], *const after_l4_2 = c->u8_[0], *const l4_at_0_8 = c->u8_[0];
    u8 *const l4_at_12_8 = c->u8_[2], *const l4_at_12_8_bits_4_7 = c->u8_[0], *const tcp_hdr_len = c->u8_[2];
    u8 *const l3_at_43_8 = c->u8_[2], *const ext2_start_at_3_8 = c->u8_[2];
    u16 *const ethertype_1 = c->u16_[0], *const ethertype_2 = c->u16_[1], *const l3_at_4_16 = c->u16_[2];
    u16 *const ip_len = c->u16_[3], *const v19 = c->u16_[4], *const ethertype_3 = c->u16_[0];
    u16 *const ethertype = c->u16_[1], *const ipv6_end = c->u16_[4], *const l3_plus_48_u16 = c->u16_[0];
    u16 *const l3_at_41_8_plus_2 = c->u16_[0], *const l3_at_41_8_plus_2_times_4 = c->u16_[5], *const l3_at_41_8_plus_1 = c->u16_[0];
    u16 *const l3_at_41_8_plus_1_times_8 = c->u16_[6], *const v71 = c->u16_[0], *const ext1_len = c->u16_[6];
    u16 *const ext1_end = c->u16_[0], *const ext1_start_u16 = c->u16_[6], *const ext2_start = c->u16_[5];
    u16 *const l3_at_42_16 = c->u16_[6], *const l3_at_42_16_bits_3_15 = c->u16_[0], *const ext2_start_plus_8 = c->u16_[0];
    u16 *const ext2_start_at_1_8_plus_2 = c->u16_[0], *const ext2_start_at_1_8_plus_2_times_4 = c->u16_[6], *const ext2_start_at_1_8_plus_1 = c->u16_[0];
    u16 *const ext2_start_at_1_8_plus_1_times_8 = c->u16_[7], *const v119 = c->u16_[0], *const ext2_len = c->u16_[7];
    u16 *const ext2_end = c->u16_[0], *const ipv6_l4 = c->u16_[4], *const l3_at_6_16 = c->u16_[0];
    u16 *const ip_l4_u16 = c->u16_[7], *const ip_frag_offset = c->u16_[6], *const l4 = c->u16_[6];
    u16 *const ext2_start_at_2_16 = c->u16_[4], *const ext2_start_at_2_16_bits_3_15 = c->u16_[0], *const l4_end = c->u16_[0];
    u16 *const tcp_dstport = c->u16_[0], *const l4_plus_20 = c->u16_[0], *const l4_plus_8 = c->u16_[0];
    u16 *const l4_plus_12 = c->u16_[0], *const l4_plus_4 = c->u16_[0], *const l3_at_0_16 = c->u16_[2];
    u16 *const tcp_payload = c->u16_[2], *const udp_length = c->u16_[5];
    u32 *const event_at_300_32 = c->u32_[0], *const raw_l3_at_0_8 = c->u32_[1], *const raw_l3_at_4_16 = c->u32_[2];
    u32 *const ip_dst = c->u32_[3], *const ext1_start_plus_l3_at_4_16 = c->u32_[4], *const frame_len_u32 = c->u32_[5];
    u32 *const ipv6_len_end = c->u32_[6], *const captured_u32 = c->u32_[4], *const v51 = c->u32_[7];
    u32 *const l3_plus_48_u32 = c->u32_[7], *const ext1_end_u32 = c->u32_[7], *const ext2_start_plus_8_u32 = c->u32_[7];
    u32 *const ext2_end_u32 = c->u32_[7], *const l3_plus_ip_len = c->u32_[2], *const ip_end = c->u32_[7];
    u32 *const ip_l4_u32 = c->u32_[3], *const l3_end = c->u32_[3], *const v184 = c->u32_[6];
    u32 *const l4_plus_20_u32 = c->u32_[0], *const l4_plus_8_u32 = c->u32_[0], *const l4_plus_12_u32 = c->u32_[0];
    u32 *const l4_plus_4_u32 = c->u32_[0], *const tcp_payload_u32 = c->u32_[5], *const l4_plus_udp_length = c->u32_[5];
    u64 moved;
    moved = reach(c, 300, 304);
    EACH { /* gather */
        const u8 *p = (const u8 *)(c->at[i]);
        event_at_300_32[i] = get_u32(p + 300);
    }
    lead_back(c, moved);
    clamp_u16(after_captured, c->captured);
    u64 w_captured_lt_14 = ltk_u8(after_captured, 14);
    settle_u16(ethertype_1, ~w_captured_lt_14, 1, 0, (u16)0xffffu);
    u64 w_captured_lt_304 = ltk_u16(c->captured, (u16)304u);
    settle_u32(event_at_300_32, ~w_captured_lt_304, 1, 0, 0xffffffffu);
    u64 w_captured_lt_18 = ltk_u8(after_captured, 18);
    u64 w_captured_lt_22 = ltk_u8(after_captured, 22);
    u64 w_ethertype_1_in_33024_34984_37120 = in_ranges_u16(ethertype_1, ethertype_1_low, ethertype_1_span, 3);
    u64 w_ethertype_2_in_33024_34984_37120 = 0;
    if (~w_captured_lt_14 & ~w_captured_lt_18 & w_ethertype_1_in_33024_34984_37120) {
        moved = reach(c, 16, 18);
        EACH { /* gather */
            const u8 *p = (const u8 *)(c->at[i]);
            ethertype_2[i] = get_u16(p + 16);
        }
        lead_back(c, moved);
        settle_u16(ethertype_2, ~w_captured_lt_18, 1, 0, (u16)0xffffu);
        w_ethertype_2_in_33024_34984_37120 = in_ranges_u16(ethertype_2, ethertype_2_low, ethertype_2_span, 3);
    }
    u64 w_vlan_2 = ~w_captured_lt_14 & ~w_captured_lt_18 & ~w_captured_lt_22 & w_ethertype_1_in_33024_34984_37120 & w_ethertype_2_in_33024_34984_37120;
    u64 w_vlan_1 = ~w_captured_lt_14 & ~w_captured_lt_18 & w_ethertype_1_in_33024_34984_37120;
    muxkk_u8(v23, w_vlan_1, (u8)18u, (u8)14u);
    muxkc_u8(l3, w_vlan_2, (u8)22u, v23);
    moved = reach_u8(c, l3, 0, 20);
    EACH { /* gather */
        const u8 *p = (const u8 *)(c->at[i] + l3[i]);
        raw_l3_at_0_8[i] = get_u32(p + 0);
        raw_l3_at_4_16[i] = get_u32(p + 4);
        l3_at_9_8[i] = get_u8(p + 9);
        ip_dst[i] = get_u32(p + 16);
    }
    lead_back(c, moved);
    room_u8(after_l3, c->captured, l3);
    u64 w_captured_lt_l3_plus_1 = ltk_u8(after_l3, 1);
    take_u32_u8(l3_at_0_8, raw_l3_at_0_8, ~w_captured_lt_l3_plus_1, 0x80808000u, 0, 0, (u8)255u);
    u64 w_captured_lt_l3_plus_7 = ltk_u8(after_l3, 7);
    take_u32_u8(ext1_kind, raw_l3_at_4_16, ~w_captured_lt_l3_plus_7, 0x80808002u, 0, 16, (u8)255u);
    u64 w_captured_lt_l3_plus_6 = ltk_u8(after_l3, 6);
    take_u32_u16(l3_at_4_16, raw_l3_at_4_16, ~w_captured_lt_l3_plus_6, 0x80800001u, 1, 16, (u16)0xffffu);
    u64 w_captured_lt_l3_plus_8 = ltk_u8(after_l3, 8);
    u64 w_captured_lt_l3_plus_4 = ltk_u8(after_l3, 4);
    take_u32_u16(ip_len, raw_l3_at_0_8, ~w_captured_lt_l3_plus_4, 0x80800203u, 1, 0, (u16)0xffffu);
    u64 w_captured_lt_l3_plus_20 = ltk_u8(after_l3, 20);
    muxcc_u16(v19, w_vlan_1, ethertype_2, ethertype_1);
    u64 w_ethertype_3_in_33024_34984_37120 = 0;
    if (~w_captured_lt_14 & ~w_captured_lt_18 & ~w_captured_lt_22 & w_ethertype_1_in_33024_34984_37120 & w_ethertype_2_in_33024_34984_37120) {
        moved = reach(c, 20, 22);
        EACH { /* gather */
            const u8 *p = (const u8 *)(c->at[i]);
            ethertype_3[i] = get_u16(p + 20);
        }
        lead_back(c, moved);
        settle_u16(ethertype_3, ~w_captured_lt_22, 1, 0, (u16)0xffffu);
        w_ethertype_3_in_33024_34984_37120 = in_ranges_u16(ethertype_3, ethertype_3_low, ethertype_3_span, 3);
    }
    muxcc_u16(ethertype, w_vlan_2, ethertype_3, v19);
    u64 w_ethertype_eq_34525 = eqk_u16(ethertype, (u16)0x86ddu /* 34525 */);
    u64 w_captured_lt_ext1_start = ltk_u8(after_l3, 40);
    EACH l3_version[i] = (u8)((l3_at_0_8[i] >> 4));
    u64 w_l3_version_eq_6 = eqk_u8(l3_version, (u8)6u);
    u64 w_l3_at_4_16_eq_0 = eqk_u16(l3_at_4_16, (u16)0u);
    EACH ext1_start[i] = (u8)((u32)l3[i] + 40u);
    EACH ext1_start_plus_l3_at_4_16[i] = (u32)((u32)ext1_start[i] + (u32)l3_at_4_16[i]);
    EACH frame_len_u32[i] = (u32)c->size[i];
    muxcc_u32(ipv6_len_end, w_l3_at_4_16_eq_0, frame_len_u32, ext1_start_plus_l3_at_4_16);
    EACH captured_u32[i] = (u32)c->captured[i];
    u64 w_captured_lt_ipv6_len_end = lt_u32(captured_u32, ipv6_len_end);
    muxcc_u32(v51, w_captured_lt_ipv6_len_end, captured_u32, ipv6_len_end);
    EACH ipv6_end[i] = (u16)((u32)v51[i] & 0xffffu);
    u64 w_ext1_kind_eq_44 = eqk_u8(ext1_kind, (u8)44u);
    u64 w_ext1_is_ext = 0, w_ipv6_end_lt_l3_plus_48 = 0, w_ext1 = 0;
    if (~w_captured_lt_14 & w_ethertype_eq_34525 & ~w_captured_lt_ext1_start & w_l3_version_eq_6) {
        w_ext1_is_ext = in_ranges_u8(ext1_kind, ext1_kind_low, ext1_kind_span, 4);
        EACH l3_plus_48[i] = (u8)((u32)l3[i] + 48u);
        EACH l3_plus_48_u16[i] = (u16)l3_plus_48[i];
        w_ipv6_end_lt_l3_plus_48 = lt_u16(ipv6_end, l3_plus_48_u16);
        w_ext1 = ~w_captured_lt_14 & w_ethertype_eq_34525 & ~w_captured_lt_ext1_start & w_l3_version_eq_6 & w_ext1_is_ext;
        EACH l3_plus_48_u32[i] = (u32)l3_plus_48[i];
    }
    u64 w_captured_lt_l3_plus_42 = 0, w_ext1_kind_eq_51 = 0;
    if ((~w_captured_lt_14 & w_ethertype_eq_34525 & ~w_captured_lt_ext1_start & w_l3_version_eq_6 & w_ext1_is_ext) && (~w_ext1_kind_eq_44)) {
        moved = reach_u8(c, l3, 41, 42);
        EACH { /* gather */
            const u8 *p = (const u8 *)(c->at[i] + l3[i]);
            l3_at_41_8[i] = get_u8(p + 41);
        }
        lead_back(c, moved);
        w_captured_lt_l3_plus_42 = ltk_u8(after_l3, 42);
        settle_u8(l3_at_41_8, ~w_captured_lt_l3_plus_42, 0, 0, (u8)255u);
        w_ext1_kind_eq_51 = eqk_u8(ext1_kind, (u8)51u);
        EACH l3_at_41_8_plus_2[i] = (u16)((u32)l3_at_41_8[i] + 2u);
        EACH l3_at_41_8_plus_2_times_4[i] = (u16)((u32)l3_at_41_8_plus_2[i] * 4u);
        EACH l3_at_41_8_plus_1[i] = (u16)((u32)l3_at_41_8[i] + 1u);
        EACH l3_at_41_8_plus_1_times_8[i] = (u16)((u32)l3_at_41_8_plus_1[i] * 8u);
        muxcc_u16(v71, w_ext1_kind_eq_51, l3_at_41_8_plus_2_times_4, l3_at_41_8_plus_1_times_8);
    }
    u64 w_ipv6_end_lt_ext1_end = 0, w_ipv6_len_end_lt_l3_plus_48 = 0, w_captured_lt_l3_plus_48 = 0, w_ipv6_len_end_lt_ext1_end = 0, w86 = 0, w87 = 0;
    if (~w_captured_lt_14 & w_ethertype_eq_34525 & ~w_captured_lt_ext1_start & w_l3_version_eq_6 & w_ext1_is_ext) {
        muxkc_u16(ext1_len, w_ext1_kind_eq_44, (u16)8u, v71);
        EACH ext1_end[i] = (u16)((u32)ext1_start[i] + (u32)ext1_len[i]);
        w_ipv6_end_lt_ext1_end = lt_u16(ipv6_end, ext1_end);
        w_ipv6_len_end_lt_l3_plus_48 = lt_u32(ipv6_len_end, l3_plus_48_u32);
        w_captured_lt_l3_plus_48 = ltk_u8(after_l3, 48);
        EACH ext1_end_u32[i] = (u32)ext1_end[i];
        w_ipv6_len_end_lt_ext1_end = lt_u32(ipv6_len_end, ext1_end_u32);
        w86 = ~w_captured_lt_l3_plus_48 & w_ipv6_len_end_lt_ext1_end;
        w87 = w_ipv6_len_end_lt_l3_plus_48 | w86;
    }
    u64 w_ext1_whole = ~w_captured_lt_14 & w_ethertype_eq_34525 & ~w_captured_lt_ext1_start & w_l3_version_eq_6 & w_ext1_is_ext & ~w_ipv6_end_lt_l3_plus_48 & ~w_ipv6_end_lt_ext1_end;
    EACH ext1_start_u16[i] = (u16)ext1_start[i];
    muxcc_u16(ext2_start, w_ext1_whole, ext1_end, ext1_start_u16);
    u64 w_ethertype_eq_2048 = eqk_u16(ethertype, (u16)0x800u /* 2048 */);
    u64 w_l3_version_eq_4 = eqk_u8(l3_version, (u8)4u);
    EACH ip_words[i] = (u8)((u32)l3_at_0_8[i] & 15u);
    u64 w_ip_words_lt_5 = ltk_u8(ip_words, (u8)5u);
    u64 w_ip = ~w_captured_lt_14 & w_ethertype_eq_2048 & ~w_captured_lt_l3_plus_20 & w_l3_version_eq_4 & ~w_ip_words_lt_5;
    u64 w_captured_lt_l3_plus_44 = 0, w_l3_at_42_16_bits_3_15_eq_0 = 0;
    if (~w_captured_lt_14 & w_ethertype_eq_34525 & ~w_captured_lt_ext1_start & w_l3_version_eq_6 & w_ext1_kind_eq_44) {
        moved = reach_u8(c, l3, 42, 44);
        EACH { /* gather */
            const u8 *p = (const u8 *)(c->at[i] + l3[i]);
            l3_at_42_16[i] = get_u16(p + 42);
        }
        lead_back(c, moved);
        w_captured_lt_l3_plus_44 = ltk_u8(after_l3, 44);
        settle_u16(l3_at_42_16, ~w_captured_lt_l3_plus_44, 1, 0, (u16)0xffffu);
        EACH l3_at_42_16_bits_3_15[i] = (u16)((l3_at_42_16[i] >> 3));
        w_l3_at_42_16_bits_3_15_eq_0 = eqk_u16(l3_at_42_16_bits_3_15, (u16)0u);
    }
    u64 w_ext1_later = ~w_captured_lt_14 & w_ethertype_eq_34525 & ~w_captured_lt_ext1_start & w_l3_version_eq_6 & w_ext1_kind_eq_44 & ~w_l3_at_42_16_bits_3_15_eq_0;
    u64 w_captured_lt_l3_plus_41 = 0;
    if (~w_captured_lt_14 & w_ethertype_eq_34525 & ~w_captured_lt_ext1_start & w_l3_version_eq_6 & w_ext1_is_ext & ~w_ipv6_end_lt_l3_plus_48 & ~w_ipv6_end_lt_ext1_end) {
        moved = reach_u8(c, l3, 40, 41);
        EACH { /* gather */
            const u8 *p = (const u8 *)(c->at[i] + l3[i]);
            l3_at_40_8[i] = get_u8(p + 40);
        }
        lead_back(c, moved);
        w_captured_lt_l3_plus_41 = ltk_u8(after_l3, 41);
        settle_u8(l3_at_40_8, ~w_captured_lt_l3_plus_41, 0, 0, (u8)255u);
    }
    muxcc_u8(ext2_kind, w_ext1_whole, l3_at_40_8, ext1_kind);
    u64 w97 = 0, w98 = 0, w_ext2_is_ext = 0, w_ipv6_end_lt_ext2_start_plus_8 = 0, w_ext2_kind_eq_44 = 0, w_ext2 = 0;
    if (~w_ext1_later) {
        w97 = ~w_captured_lt_14 & w_ethertype_eq_34525 & ~w_captured_lt_ext1_start & w_l3_version_eq_6 & ~w_ext1;
        w98 = w_ext1_whole | w97;
        w_ext2_is_ext = in_ranges_u8(ext2_kind, ext2_kind_low, ext2_kind_span, 4);
        EACH ext2_start_plus_8[i] = (u16)((u32)ext2_start[i] + 8u);
        w_ipv6_end_lt_ext2_start_plus_8 = lt_u16(ipv6_end, ext2_start_plus_8);
        w_ext2_kind_eq_44 = eqk_u8(ext2_kind, (u8)44u);
        w_ext2 = w98 & ~w_ext1_later & w_ext2_is_ext;
        EACH ext2_start_plus_8_u32[i] = (u32)ext2_start_plus_8[i];
    }
    u64 w_ext2_kind_eq_51 = 0;
    if ((~w_ext1_later & w98 & w_ext2_is_ext) && (~w_ext2_kind_eq_44)) {
        moved = reach_u16(c, ext2_start, 1, 2);
        EACH { /* gather */
            const u8 *p = (const u8 *)(c->at[i] + ext2_start[i]);
            ext2_start_at_1_8[i] = get_u8(p + 1);
        }
        lead_back(c, moved);
        w_ext2_kind_eq_51 = eqk_u8(ext2_kind, (u8)51u);
    }
    if (~w_ext1_later & w98) {
        room_u16(after_ext2_start, c->captured, ext2_start);
    }
    u64 w_captured_lt_ext2_start_plus_2 = 0;
    if ((~w_ext1_later & w98 & w_ext2_is_ext) && (~w_ext2_kind_eq_44)) {
        w_captured_lt_ext2_start_plus_2 = ltk_u8(after_ext2_start, 2);
        settle_u8(ext2_start_at_1_8, ~w_captured_lt_ext2_start_plus_2, 0, 0, (u8)255u);
        EACH ext2_start_at_1_8_plus_2[i] = (u16)((u32)ext2_start_at_1_8[i] + 2u);
        EACH ext2_start_at_1_8_plus_2_times_4[i] = (u16)((u32)ext2_start_at_1_8_plus_2[i] * 4u);
        EACH ext2_start_at_1_8_plus_1[i] = (u16)((u32)ext2_start_at_1_8[i] + 1u);
        EACH ext2_start_at_1_8_plus_1_times_8[i] = (u16)((u32)ext2_start_at_1_8_plus_1[i] * 8u);
        muxcc_u16(v119, w_ext2_kind_eq_51, ext2_start_at_1_8_plus_2_times_4, ext2_start_at_1_8_plus_1_times_8);
    }
    u64 w_ipv6_end_lt_ext2_end = 0, w_ipv6_len_end_lt_ext2_start_plus_8 = 0, w_captured_lt_ext2_start_plus_8 = 0, w_ipv6_len_end_lt_ext2_end = 0, w133 = 0, w134 = 0;
    if (~w_ext1_later & w98 & w_ext2_is_ext) {
        muxkc_u16(ext2_len, w_ext2_kind_eq_44, (u16)8u, v119);
        EACH ext2_end[i] = (u16)((u32)ext2_start[i] + (u32)ext2_len[i]);
        w_ipv6_end_lt_ext2_end = lt_u16(ipv6_end, ext2_end);
        w_ipv6_len_end_lt_ext2_start_plus_8 = lt_u32(ipv6_len_end, ext2_start_plus_8_u32);
        w_captured_lt_ext2_start_plus_8 = ltk_u8(after_ext2_start, 8);
        EACH ext2_end_u32[i] = (u32)ext2_end[i];
        w_ipv6_len_end_lt_ext2_end = lt_u32(ipv6_len_end, ext2_end_u32);
        w133 = ~w_captured_lt_ext2_start_plus_8 & w_ipv6_len_end_lt_ext2_end;
        w134 = w_ipv6_len_end_lt_ext2_start_plus_8 | w133;
    }
    u64 w_ext2_whole = w98 & ~w_ext1_later & w_ext2_is_ext & ~w_ipv6_end_lt_ext2_start_plus_8 & ~w_ipv6_end_lt_ext2_end;
    muxcc_u16(ipv6_l4, w_ext2_whole, ext2_end, ext2_start);
    u64 w_captured_lt_l3_plus_10 = 0, w_ip_frag_offset_eq_0 = 0, w_ip_len_eq_0 = 0, w_servers = 0, w_captured_lt_ip_l4 = 0, w_ip_end_lt_ip_l4 = 0, w_ext1_kind_bit_5 = 0;
    if (~w_captured_lt_14 & w_ethertype_eq_2048 & ~w_captured_lt_l3_plus_20 & w_l3_version_eq_4 & ~w_ip_words_lt_5) {
        take_u32_u16(l3_at_6_16, raw_l3_at_4_16, ~w_captured_lt_l3_plus_8, 0x80800203u, 1, 0, (u16)0xffffu);
        w_captured_lt_l3_plus_10 = ltk_u8(after_l3, 10);
        settle_u8(l3_at_9_8, ~w_captured_lt_l3_plus_10, 0, 0, (u8)255u);
        settle_u32(ip_dst, ~w_captured_lt_l3_plus_20, 1, 0, 0xffffffffu);
        EACH ip_words_times_4[i] = (u8)((u32)ip_words[i] * 4u);
        EACH ip_l4[i] = (u8)((u32)l3[i] + (u32)ip_words_times_4[i]);
        EACH ip_l4_u16[i] = (u16)ip_l4[i];
        EACH ip_frag_offset[i] = (u16)((u32)l3_at_6_16[i] & 0x1fffu);
        w_ip_frag_offset_eq_0 = eqk_u16(ip_frag_offset, (u16)0u);
        w_ip_len_eq_0 = eqk_u16(ip_len, (u16)0u);
        EACH l3_plus_ip_len[i] = (u32)((u32)l3[i] + (u32)ip_len[i]);
        muxcc_u32(ip_end, w_ip_len_eq_0, frame_len_u32, l3_plus_ip_len);
        w_servers = hit_u32(ip_dst, c->tables + 0);
        w_captured_lt_ip_l4 = lt_u16(c->captured, ip_l4_u16);
        EACH ip_l4_u32[i] = (u32)ip_l4[i];
        w_ip_end_lt_ip_l4 = lt_u32(ip_end, ip_l4_u32);
        w_ext1_kind_bit_5 = testk_u8(ext1_kind, (u8)32u);
    }
    muxcc_u16(l4, w_ip, ip_l4_u16, ipv6_l4);
    room_u16(after_l4, c->captured, l4);
    u64 w_captured_lt_l4_plus_4 = ltk_u8(after_l4, 4);
    c->chunk->punt = 0;
    /* block guard: first */
    c->free = c->live;
    u64 w144 = w98 & ~w_ext1_later & ~w_ext2;
    u64 w145 = w_ext2_whole | w144;
    u64 w_captured_lt_ext2_start_plus_4 = 0, w_ext2_start_at_2_16_bits_3_15_eq_0 = 0;
    if (~w_ext1_later & w98 & w_ext2_kind_eq_44) {
        moved = reach_u16(c, ext2_start, 2, 4);
        EACH { /* gather */
            const u8 *p = (const u8 *)(c->at[i] + ext2_start[i]);
            ext2_start_at_2_16[i] = get_u16(p + 2);
        }
        lead_back(c, moved);
        w_captured_lt_ext2_start_plus_4 = ltk_u8(after_ext2_start, 4);
        settle_u16(ext2_start_at_2_16, ~w_captured_lt_ext2_start_plus_4, 1, 0, (u16)0xffffu);
        EACH ext2_start_at_2_16_bits_3_15[i] = (u16)((ext2_start_at_2_16[i] >> 3));
        w_ext2_start_at_2_16_bits_3_15_eq_0 = eqk_u16(ext2_start_at_2_16_bits_3_15, (u16)0u);
    }
    u64 w_ext2_later = w98 & ~w_ext1_later & w_ext2_kind_eq_44 & ~w_ext2_start_at_2_16_bits_3_15_eq_0;
    u64 w_ext2_passed = w145 & ~w_ext2_later;
    muxcc_u32(l3_end, w_ip, ip_end, ipv6_len_end);
    u64 w_captured_lt_l3_end = lt_u32(captured_u32, l3_end);
    muxcc_u32(v184, w_captured_lt_l3_end, captured_u32, l3_end);
    EACH l4_end[i] = (u16)((u32)v184[i] & 0xffffu);
    u64 w_l4_end_lt_ip_l4 = 0;
    if (~w_captured_lt_14 & w_ethertype_eq_2048 & ~w_captured_lt_l3_plus_20 & w_l3_version_eq_4 & ~w_ip_words_lt_5) {
        w_l4_end_lt_ip_l4 = lt_u16(l4_end, ip_l4_u16);
    }
    u64 w188 = ~w_captured_lt_14 & w_ethertype_eq_2048 & ~w_captured_lt_l3_plus_20 & w_l3_version_eq_4 & ~w_ip_words_lt_5 & w_ip_frag_offset_eq_0 & ~w_l4_end_lt_ip_l4;
    u64 w_has_l4 = w_ext2_passed | w188;
    u64 w_captured_lt_ext2_start_plus_1 = 0;
    if (~w_ext1_later & w98 & w_ext2_is_ext & ~w_ipv6_end_lt_ext2_start_plus_8 & ~w_ipv6_end_lt_ext2_end) {
        moved = reach_u16(c, ext2_start, 0, 1);
        EACH { /* gather */
            const u8 *p = (const u8 *)(c->at[i] + ext2_start[i]);
            ext2_start_at_0_8[i] = get_u8(p + 0);
        }
        lead_back(c, moved);
        w_captured_lt_ext2_start_plus_1 = ltk_u8(after_ext2_start, 1);
        settle_u8(ext2_start_at_0_8, ~w_captured_lt_ext2_start_plus_1, 0, 0, (u8)255u);
    }
    muxcc_u8(ipv6_protocol, w_ext2_whole, ext2_start_at_0_8, ext2_kind);
    muxcc_u8(l4_protocol, w_ip, l3_at_9_8, ipv6_protocol);
    u64 w_l4_protocol_eq_6 = eqk_u8(l4_protocol, (u8)6u);
    room_u16(after_l4_2, l4_end, l4);
    u64 w_l4_end_lt_l4_plus_20 = 0, w_l4_end_lt_l4_plus_8 = 0, w_tcp_dstport_eq_53 = 0;
    if (w_has_l4) {
        moved = reach_u16(c, l4, 2, 4);
        EACH { /* gather */
            const u8 *p = (const u8 *)(c->at[i] + l4[i]);
            tcp_dstport[i] = get_u16(p + 2);
        }
        lead_back(c, moved);
        settle_u16(tcp_dstport, ~w_captured_lt_l4_plus_4, 1, 0, (u16)0xffffu);
        w_l4_end_lt_l4_plus_20 = ltk_u8(after_l4_2, 20);
        w_l4_end_lt_l4_plus_8 = ltk_u8(after_l4_2, 8);
        w_tcp_dstport_eq_53 = eqk_u16(tcp_dstport, (u16)53u);
    }
    u64 w_tcp_dstport_eq_22 = 0;
    if ((~w_captured_lt_14 & w_ethertype_eq_2048 & ~w_captured_lt_l3_plus_20 & w_l3_version_eq_4 & ~w_ip_words_lt_5) && (w_has_l4)) {
        w_tcp_dstport_eq_22 = eqk_u16(tcp_dstport, (u16)22u);
    }
    u64 rule_login = ~w_captured_lt_14 & w_ethertype_eq_2048 & ~w_captured_lt_l3_plus_20 & w_l3_version_eq_4 & ~w_ip_words_lt_5 & w_has_l4 & w_l4_protocol_eq_6 & ~w_l4_end_lt_l4_plus_20 & w_tcp_dstport_eq_22 & w_servers;
    /* rule 0: login */
    take(c, rule_login, 0);
    u64 w_l4_protocol_eq_17 = eqk_u8(l4_protocol, (u8)17u);
    u64 rule_names = w_has_l4 & w_l4_protocol_eq_17 & ~w_l4_end_lt_l4_plus_8 & w_tcp_dstport_eq_53;
    /* rule 1: names */
    take(c, rule_names, 1);
    /* rule 2: default */
    take(c, ALL, 2);
    /* block audit: all */
    u64 w_frame_len_gt_9000 = gtk_u16(c->size, (u16)0x2328u /* 9000 */);
    /* rule 3: jumbo */
    fire(c, w_frame_len_gt_9000 & c->live, 3);
    u64 w_event_at_300_32_eq_1 = eqk_u32(event_at_300_32, 1u);
    u64 rule_far = ~w_captured_lt_304 & w_event_at_300_32_eq_1;
    /* rule 4: far */
    fire(c, rule_far & c->live, 4);
    u64 w_l3_end_lt_l4_plus_20 = 0, w_captured_lt_l4_plus_20 = 0;
    if (w_l4_protocol_eq_6) {
        EACH l4_plus_20[i] = (u16)((u32)l4[i] + 20u);
        EACH l4_plus_20_u32[i] = (u32)l4_plus_20[i];
        w_l3_end_lt_l4_plus_20 = lt_u32(l3_end, l4_plus_20_u32);
        w_captured_lt_l4_plus_20 = ltk_u8(after_l4, 20);
    }
    u64 w241 = w_has_l4 & w_l4_protocol_eq_6 & w_l3_end_lt_l4_plus_20;
    EACH l4_plus_8[i] = (u16)((u32)l4[i] + 8u);
    EACH l4_plus_8_u32[i] = (u32)l4_plus_8[i];
    u64 w_l3_end_lt_l4_plus_8 = lt_u32(l3_end, l4_plus_8_u32);
    u64 w246 = w_has_l4 & w_l4_protocol_eq_17 & w_l3_end_lt_l4_plus_8;
    u64 w_l4_protocol_eq_132 = eqk_u8(l4_protocol, (u8)132u);
    u64 w_l3_end_lt_l4_plus_12 = 0, w_captured_lt_l4_plus_12 = 0;
    if (w_l4_protocol_eq_132) {
        EACH l4_plus_12[i] = (u16)((u32)l4[i] + 12u);
        EACH l4_plus_12_u32[i] = (u32)l4_plus_12[i];
        w_l3_end_lt_l4_plus_12 = lt_u32(l3_end, l4_plus_12_u32);
        w_captured_lt_l4_plus_12 = ltk_u8(after_l4, 12);
    }
    u64 w255 = w_has_l4 & w_l4_protocol_eq_132 & w_l3_end_lt_l4_plus_12;
    u64 w_l4_protocol_eq_1 = 0;
    if (~w_captured_lt_14 & w_ethertype_eq_2048 & ~w_captured_lt_l3_plus_20 & w_l3_version_eq_4 & ~w_ip_words_lt_5) {
        w_l4_protocol_eq_1 = eqk_u8(l4_protocol, (u8)1u);
    }
    u64 w259 = ~w_captured_lt_14 & w_ethertype_eq_2048 & ~w_captured_lt_l3_plus_20 & w_l3_version_eq_4 & ~w_ip_words_lt_5 & w_has_l4 & w_l3_end_lt_l4_plus_8 & w_l4_protocol_eq_1;
    u64 w_l4_protocol_eq_58 = 0;
    if (~w_captured_lt_14 & w_ethertype_eq_34525 & ~w_captured_lt_ext1_start & w_l3_version_eq_6) {
        w_l4_protocol_eq_58 = eqk_u8(l4_protocol, (u8)58u);
    }
    u64 w_l3_end_lt_l4_plus_4 = 0, w_l4_end_lt_l4_plus_4 = 0;
    if (~w_captured_lt_14 & w_ethertype_eq_34525 & ~w_captured_lt_ext1_start & w_l3_version_eq_6 & w_l4_protocol_eq_58) {
        EACH l4_plus_4[i] = (u16)((u32)l4[i] + 4u);
        EACH l4_plus_4_u32[i] = (u32)l4_plus_4[i];
        w_l3_end_lt_l4_plus_4 = lt_u32(l3_end, l4_plus_4_u32);
        w_l4_end_lt_l4_plus_4 = ltk_u8(after_l4_2, 4);
    }
    u64 w263 = ~w_captured_lt_14 & w_ethertype_eq_34525 & ~w_captured_lt_ext1_start & w_l3_version_eq_6 & w_has_l4 & w_l4_protocol_eq_58 & w_l3_end_lt_l4_plus_4;
    u64 w_captured_lt_l4_plus_1 = 0, w_l4_at_0_8_in_128_129 = 0;
    if (~w_captured_lt_14 & w_ethertype_eq_34525 & ~w_captured_lt_ext1_start & w_l3_version_eq_6 & w_has_l4 & w_l4_protocol_eq_58 & ~w_l4_end_lt_l4_plus_4) {
        moved = reach_u16(c, l4, 0, 1);
        EACH { /* gather */
            const u8 *p = (const u8 *)(c->at[i] + l4[i]);
            l4_at_0_8[i] = get_u8(p + 0);
        }
        lead_back(c, moved);
        w_captured_lt_l4_plus_1 = ltk_u8(after_l4, 1);
        settle_u8(l4_at_0_8, ~w_captured_lt_l4_plus_1, 0, 0, (u8)255u);
        w_l4_at_0_8_in_128_129 = rangek_u8(l4_at_0_8, (u8)128u, (u8)1u);
    }
    u64 w265 = ~w_captured_lt_14 & w_ethertype_eq_34525 & ~w_captured_lt_ext1_start & w_l3_version_eq_6 & w_has_l4 & w_l4_protocol_eq_58 & ~w_l4_end_lt_l4_plus_4 & w_l4_at_0_8_in_128_129 & w_l3_end_lt_l4_plus_8;
    u64 w_captured_lt_frame_len = lt_u16(c->captured, c->size);
    u64 w288 = ~w_captured_lt_14 & w_ethertype_1_in_33024_34984_37120 & ~w_vlan_1;
    u64 w290 = ~w_captured_lt_14 & ~w_captured_lt_18 & w_ethertype_1_in_33024_34984_37120 & w_ethertype_2_in_33024_34984_37120 & ~w_vlan_2;
    u64 w_ethertype_eq_2054 = eqk_u16(ethertype, (u16)0x806u /* 2054 */);
    u64 w293 = ~w_captured_lt_14 & w_captured_lt_l3_plus_8 & w_ethertype_eq_2054;
    u64 w294 = ~w_captured_lt_14 & w_ethertype_eq_2048 & w_captured_lt_l3_plus_20;
    u64 w295 = ~w_captured_lt_14 & w_ethertype_eq_34525 & w_captured_lt_ext1_start;
    u64 w_ip_len_eq_2048 = eqk_u16(ip_len, (u16)0x800u /* 2048 */);
    u64 w_l3_at_4_16_eq_1540 = eqk_u16(l3_at_4_16, (u16)0x604u /* 1540 */);
    u64 w314 = ~w_captured_lt_14 & w_ethertype_eq_2048 & ~w_captured_lt_l3_plus_20 & w_l3_version_eq_4 & ~w_ip_words_lt_5 & w_captured_lt_ip_l4 & ~w_ip_end_lt_ip_l4;
    u64 w_captured_lt_l3_plus_2 = 0, w_l3_at_0_16_in_1_6 = 0, w_captured_lt_l3_plus_28 = 0, w_arp_ipv4 = 0;
    if ((~w_captured_lt_14 & ~w_captured_lt_l3_plus_8 & w_ethertype_eq_2054 & w_ip_len_eq_2048 & w_l3_at_4_16_eq_1540) && (~w_captured_lt_14 & ~w288 & ~w290 & ~w293 & ~w294 & ~w295 & ~w314)) {
        w_captured_lt_l3_plus_2 = ltk_u8(after_l3, 2);
        take_u32_u16(l3_at_0_16, raw_l3_at_0_8, ~w_captured_lt_l3_plus_2, 0x80800001u, 1, 16, (u16)0xffffu);
        w_l3_at_0_16_in_1_6 = in_ranges_u16(l3_at_0_16, l3_at_0_16_low, l3_at_0_16_span, 2);
        w_captured_lt_l3_plus_28 = ltk_u8(after_l3, 28);
        w_arp_ipv4 = ~w_captured_lt_14 & ~w_captured_lt_l3_plus_8 & w_ethertype_eq_2054 & w_l3_at_0_16_in_1_6 & w_ip_len_eq_2048 & w_l3_at_4_16_eq_1540 & ~w_captured_lt_l3_plus_28;
    }
    u64 w310 = 0;
    if (~w_captured_lt_14 & ~w288 & ~w290 & ~w293 & ~w294 & ~w295 & ~w314) {
        w310 = ~w_captured_lt_14 & ~w_captured_lt_l3_plus_8 & w_ethertype_eq_2054 & w_l3_at_0_16_in_1_6 & w_ip_len_eq_2048 & w_l3_at_4_16_eq_1540 & ~w_arp_ipv4;
    }
    u64 w315 = w_captured_lt_14 | w288 | w290 | w293 | w294 | w295 | w310 | w314;
    u64 w316 = ~w_captured_lt_frame_len & w315;
    u64 w165 = w_l3_version_eq_4 & ~w_ip_words_lt_5;
    u64 w318 = ~w_captured_lt_14 & w_ethertype_eq_2048 & ~w_captured_lt_l3_plus_20 & ~w165;
    u64 w320 = ~w_captured_lt_14 & w_ethertype_eq_34525 & ~w_captured_lt_ext1_start & ~w_l3_version_eq_6;
    u64 w321 = ~w_captured_lt_14 & w_ethertype_eq_2048 & ~w_captured_lt_l3_plus_20 & w_l3_version_eq_4 & ~w_ip_words_lt_5 & w_ip_end_lt_ip_l4;
    u64 w_frame_len_lt_l3_end = lt_u32(frame_len_u32, l3_end);
    u64 w_frame_len_lt_65535 = ltk_u16(c->size, (u16)0xffffu /* 65535 */);
    u64 w_ipv6 = ~w_captured_lt_14 & w_ethertype_eq_34525 & ~w_captured_lt_ext1_start & w_l3_version_eq_6;
    u64 w322 = w_ipv6 | w_ip;
    u64 w323 = w_frame_len_lt_l3_end & w_frame_len_lt_65535 & w322;
    u64 w243 = w_has_l4 & w_l4_protocol_eq_6 & ~w_l3_end_lt_l4_plus_20 & w_captured_lt_l4_plus_20;
    u64 w_captured_lt_l4_plus_8 = ltk_u8(after_l4, 8);
    u64 w248 = w_has_l4 & w_l4_protocol_eq_17 & ~w_l3_end_lt_l4_plus_8 & w_captured_lt_l4_plus_8;
    u64 w257 = w_has_l4 & w_l4_protocol_eq_132 & ~w_l3_end_lt_l4_plus_12 & w_captured_lt_l4_plus_12;
    u64 w260 = ~w_captured_lt_14 & w_ethertype_eq_2048 & ~w_captured_lt_l3_plus_20 & w_l3_version_eq_4 & ~w_ip_words_lt_5 & w_has_l4 & ~w_l3_end_lt_l4_plus_8 & w_captured_lt_l4_plus_8 & w_l4_protocol_eq_1;
    u64 w264 = ~w_captured_lt_14 & w_ethertype_eq_34525 & ~w_captured_lt_ext1_start & w_l3_version_eq_6 & w_has_l4 & w_captured_lt_l4_plus_4 & w_l4_protocol_eq_58 & ~w_l3_end_lt_l4_plus_4;
    u64 w266 = ~w_captured_lt_14 & w_ethertype_eq_34525 & ~w_captured_lt_ext1_start & w_l3_version_eq_6 & w_has_l4 & w_l4_protocol_eq_58 & ~w_l4_end_lt_l4_plus_4 & w_l4_at_0_8_in_128_129 & ~w_l3_end_lt_l4_plus_8 & w_captured_lt_l4_plus_8;
    u64 w267 = w243 | w248 | w257 | w260 | w264 | w266;
    u64 w324 = ~w_captured_lt_frame_len & w267;
    u64 w_captured_lt_l4_plus_13 = 0, w_tcp_hdr_len_lt_20 = 0;
    if (w_has_l4 & w_l4_protocol_eq_6 & ~w_l4_end_lt_l4_plus_20) {
        moved = reach_u16(c, l4, 12, 13);
        EACH { /* gather */
            const u8 *p = (const u8 *)(c->at[i] + l4[i]);
            l4_at_12_8[i] = get_u8(p + 12);
        }
        lead_back(c, moved);
        w_captured_lt_l4_plus_13 = ltk_u8(after_l4, 13);
        settle_u8(l4_at_12_8, ~w_captured_lt_l4_plus_13, 0, 0, (u8)255u);
        EACH l4_at_12_8_bits_4_7[i] = (u8)((l4_at_12_8[i] >> 4));
        EACH tcp_hdr_len[i] = (u8)((u32)l4_at_12_8_bits_4_7[i] * 4u);
        w_tcp_hdr_len_lt_20 = ltk_u8(tcp_hdr_len, (u8)20u);
    }
    u64 w_l3_end_lt_tcp_payload = 0, w_captured_lt_tcp_payload = 0;
    if (w_has_l4 & w_l4_protocol_eq_6 & ~w_l4_end_lt_l4_plus_20 & ~w_tcp_hdr_len_lt_20) {
        EACH tcp_payload[i] = (u16)((u32)l4[i] + (u32)tcp_hdr_len[i]);
        EACH tcp_payload_u32[i] = (u32)tcp_payload[i];
        w_l3_end_lt_tcp_payload = lt_u32(l3_end, tcp_payload_u32);
        w_captured_lt_tcp_payload = lt_u16(c->captured, tcp_payload);
    }
    u64 w_tcp_sound = 0;
    if (w_has_l4 & w_l4_protocol_eq_6 & ~w_l4_end_lt_l4_plus_20) {
        w_tcp_sound = w_has_l4 & w_l4_protocol_eq_6 & ~w_l4_end_lt_l4_plus_20 & ~w_tcp_hdr_len_lt_20 & ~w_l3_end_lt_tcp_payload;
    }
    u64 w339 = w_has_l4 & w_l4_protocol_eq_6 & ~w_l4_end_lt_l4_plus_20 & ~w_tcp_sound;
    u64 w286 = ~w_captured_lt_14 & w_ethertype_eq_2048 & ~w_captured_lt_l3_plus_20 & w_l3_version_eq_4 & ~w_ip_words_lt_5 & w_ext1_kind_bit_5;
    u64 w343 = 0;
    if (~w_captured_lt_14 & w_ethertype_eq_34525 & ~w_captured_lt_ext1_start & w_l3_version_eq_6 & w_ext1_is_ext) {
        w343 = w_ipv6_len_end_lt_l3_plus_48 | w86 | ~w_captured_lt_frame_len;
    }
    u64 w344 = ~w_captured_lt_14 & w_ethertype_eq_34525 & ~w_captured_lt_ext1_start & w_l3_version_eq_6 & w_ext1_is_ext & ~w_ext1_whole & w343;
    u64 w345 = 0;
    if (~w_ext1_later & w98 & w_ext2_is_ext) {
        w345 = w_ipv6_len_end_lt_ext2_start_plus_8 | w133 | ~w_captured_lt_frame_len;
    }
    u64 w346 = w98 & ~w_ext1_later & w_ext2_is_ext & ~w_ext2_whole & w345;
    u64 w_l3_at_43_8_bit_0 = 0;
    if ((~w_captured_lt_14 & w_ethertype_eq_34525 & ~w_captured_lt_ext1_start & w_l3_version_eq_6 & w_ext1_kind_eq_44) && (~w241 & ~w246 & ~w255 & ~w259 & ~w263 & ~w265 & ~w316 & ~w318 & ~w320 & ~w321 & ~w323 & ~w324 & ~w339 & ~w344 & ~w346) && (~w286)) {
        moved = reach_u8(c, l3, 43, 44);
        EACH { /* gather */
            const u8 *p = (const u8 *)(c->at[i] + l3[i]);
            l3_at_43_8[i] = get_u8(p + 43);
        }
        lead_back(c, moved);
        settle_u8(l3_at_43_8, ~w_captured_lt_l3_plus_44, 0, 0, (u8)255u);
        w_l3_at_43_8_bit_0 = testk_u8(l3_at_43_8, (u8)1u);
    }
    u64 w280 = 0;
    if ((~w241 & ~w246 & ~w255 & ~w259 & ~w263 & ~w265 & ~w316 & ~w318 & ~w320 & ~w321 & ~w323 & ~w324 & ~w339 & ~w344 & ~w346) && (~w286)) {
        w280 = ~w_captured_lt_14 & w_ethertype_eq_34525 & ~w_captured_lt_ext1_start & w_l3_version_eq_6 & w_ext1_kind_eq_44 & ~w_ipv6_end_lt_l3_plus_48 & w_l3_at_43_8_bit_0;
    }
    u64 w_ext2_start_at_3_8_bit_0 = 0;
    if ((~w_ext1_later & w98 & w_ext2_kind_eq_44 & ~w_ipv6_end_lt_ext2_start_plus_8) && (~w241 & ~w246 & ~w255 & ~w259 & ~w263 & ~w265 & ~w316 & ~w318 & ~w320 & ~w321 & ~w323 & ~w324 & ~w339 & ~w344 & ~w346) && (~w280)) {
        moved = reach_u16(c, ext2_start, 3, 4);
        EACH { /* gather */
            const u8 *p = (const u8 *)(c->at[i] + ext2_start[i]);
            ext2_start_at_3_8[i] = get_u8(p + 3);
        }
        lead_back(c, moved);
        settle_u8(ext2_start_at_3_8, ~w_captured_lt_ext2_start_plus_4, 0, 0, (u8)255u);
        w_ext2_start_at_3_8_bit_0 = testk_u8(ext2_start_at_3_8, (u8)1u);
    }
    u64 w283 = 0;
    if ((~w241 & ~w246 & ~w255 & ~w259 & ~w263 & ~w265 & ~w316 & ~w318 & ~w320 & ~w321 & ~w323 & ~w324 & ~w339 & ~w344 & ~w346) && (~w280)) {
        w283 = w98 & ~w_ext1_later & w_ext2_kind_eq_44 & ~w_ipv6_end_lt_ext2_start_plus_8 & w_ext2_start_at_3_8_bit_0;
    }
    u64 w_captured_lt_l4_plus_6 = 0, w_udp_length_eq_0 = 0, w_udp_length_lt_8 = 0;
    if ((w_has_l4 & w_l4_protocol_eq_17 & ~w_l4_end_lt_l4_plus_8 & ~w280 & ~w283 & ~w286) && (~w241 & ~w246 & ~w255 & ~w259 & ~w263 & ~w265 & ~w316 & ~w318 & ~w320 & ~w321 & ~w323 & ~w324 & ~w339 & ~w344 & ~w346)) {
        moved = reach_u16(c, l4, 4, 6);
        EACH { /* gather */
            const u8 *p = (const u8 *)(c->at[i] + l4[i]);
            udp_length[i] = get_u16(p + 4);
        }
        lead_back(c, moved);
        w_captured_lt_l4_plus_6 = ltk_u8(after_l4, 6);
        settle_u16(udp_length, ~w_captured_lt_l4_plus_6, 1, 0, (u16)0xffffu);
        w_udp_length_eq_0 = eqk_u16(udp_length, (u16)0u);
        w_udp_length_lt_8 = ltk_u16(udp_length, (u16)8u);
    }
    u64 w_l3_end_lt_l4_plus_udp_length = 0;
    if ((w_has_l4 & w_l4_protocol_eq_17 & ~w_l4_end_lt_l4_plus_8 & ~w_udp_length_eq_0 & ~w280 & ~w283 & ~w286) && (~w241 & ~w246 & ~w255 & ~w259 & ~w263 & ~w265 & ~w316 & ~w318 & ~w320 & ~w321 & ~w323 & ~w324 & ~w339 & ~w344 & ~w346) && (~w_udp_length_lt_8)) {
        EACH l4_plus_udp_length[i] = (u32)((u32)l4[i] + (u32)udp_length[i]);
        w_l3_end_lt_l4_plus_udp_length = lt_u32(l3_end, l4_plus_udp_length);
    }
    u64 w277 = 0;
    if ((w_has_l4 & w_l4_protocol_eq_17 & ~w_l4_end_lt_l4_plus_8 & ~w_udp_length_eq_0 & ~w280 & ~w283 & ~w286) && (~w241 & ~w246 & ~w255 & ~w259 & ~w263 & ~w265 & ~w316 & ~w318 & ~w320 & ~w321 & ~w323 & ~w324 & ~w339 & ~w344 & ~w346)) {
        w277 = w_udp_length_lt_8 | w_l3_end_lt_l4_plus_udp_length;
    }
    u64 w284 = 0;
    if ((~w241 & ~w246 & ~w255 & ~w259 & ~w263 & ~w265 & ~w316 & ~w318 & ~w320 & ~w321 & ~w323 & ~w324 & ~w339 & ~w344 & ~w346) && (~w286)) {
        w284 = w280 | w283;
    }
    u64 w342 = 0;
    if (~w241 & ~w246 & ~w255 & ~w259 & ~w263 & ~w265 & ~w316 & ~w318 & ~w320 & ~w321 & ~w323 & ~w324 & ~w339 & ~w344 & ~w346) {
        w342 = w_has_l4 & w_l4_protocol_eq_17 & ~w_l4_end_lt_l4_plus_8 & ~w_udp_length_eq_0 & w277 & ~w284 & ~w286;
    }
    u64 w347 = w241 | w246 | w255 | w259 | w263 | w265 | w316 | w318 | w320 | w321 | w323 | w324 | w339 | w342 | w344 | w346;
    c->chunk->malformed = w347 & c->live;
    u64 w349 = ~w_captured_lt_14 & ~w_captured_lt_18 & ~w_captured_lt_22 & w_ethertype_1_in_33024_34984_37120 & w_ethertype_2_in_33024_34984_37120 & w_ethertype_3_in_33024_34984_37120;
    u64 w351 = w_has_l4 & w_l4_protocol_eq_6 & ~w_l4_end_lt_l4_plus_20 & ~w_tcp_hdr_len_lt_20 & ~w_l3_end_lt_tcp_payload & w_captured_lt_tcp_payload;
    u64 w352 = w_captured_lt_14 | w243 | w248 | w257 | w260 | w264 | w266 | w288 | w290 | w293 | w294 | w295 | w310 | w314 | w351;
    u64 w353 = w_captured_lt_frame_len & w352;
    u64 w_ipv6_protocol_in_0_43_44_51_60 = in_ranges_u8(ipv6_protocol, ipv6_protocol_low, ipv6_protocol_span, 4);
    u64 w355 = w145 & ~w_ext2_later & w_ipv6_protocol_in_0_43_44_51_60;
    u64 w357 = ~w_captured_lt_14 & w_ethertype_eq_34525 & ~w_captured_lt_ext1_start & w_l3_version_eq_6 & w_ext1_is_ext & ~w_ext1_whole & w_captured_lt_frame_len & ~w87;
    u64 w359 = w98 & ~w_ext1_later & w_ext2_is_ext & ~w_ext2_whole & w_captured_lt_frame_len & ~w134;
    u64 w360 = w349 | w353 | w355 | w357 | w359;
    c->chunk->truncated = w360 & c->live;
}

/* ---- Events that have a shape: the same rules, where most places are constants ------------------------------------

   A chunk of which every event passes the shape's test is decided by what stands here. Of a chunk that has a few
   strays the others are; the strays of up to GROUP chunks are put side by side and decided by the general program
   before, and their answers are added to those of their chunks.

   There are two shapes, and one of them is tried: the one that fitted last. Where it has too many strays the other one is
   looked at, and tried from there on if it fits. */

#define PARTS 4u
#define PREFETCH_AT 16u /* where headers that decide much stand */
#define GROUP 16u     /* chunks that are looked at together */
#define STRAYS_MAX 16u /* strays of a chunk; one with more is decided whole by the general program */
#define PAUSE_MAX 31u /* such chunks make the next ones go untried, at most so many */

#if SM_TRACE /* chunks that had the shape, that had strays, that went to the general program; of the first two those of
                the second shape: for tests */
__attribute__((visibility("default"))) uint64_t sm_ways[4];
#define COUNT(way) (sm_ways[way]++)
#else
#define COUNT(way) ((void)0)
#endif

/* A part of the next chunk's first lines: processors wait for no more than about two dozen at a time, so they are asked
   for between other work. */
INLINE void fetch_ahead(const struct columns *restrict c, unsigned part)
{
    const sm_event *next = c->events + c->next + LANES / PARTS * part;
    for (unsigned i = 0; i < LANES / PARTS; i++)
        __builtin_prefetch(c->buffer + next[i].offset + PREFETCH_AT);
}

/* Where 64 events are, and nothing of what is in them. */
static void locate(struct columns *restrict c, uint64_t more)
{
    const sm_event *events = c->events;
    c->next = more >= 2 * LANES ? LANES : 0;
    locate_events(c->at, c->captured, c->size, c->buffer, events);
}

/* Lanes without the bytes that are read of every event of the shape; they get zeros. */
INLINE u64 too_short(struct columns *restrict c, captured_t least)
{
    static const u8 zeros[64];
    const u64 lanes = ltk_u16(c->captured, least);
    for (u64 left = lanes; left; left &= left - 1) {
        unsigned i = (unsigned)__builtin_ctzll(left);
        c->at[i] = (uintptr_t)zeros;
        c->captured[i] = least;
    }
    return lanes;
}

static __attribute__((noinline)) void shape_0(struct columns *restrict c)
{
    u8 *const event_at_14_8 = c->u8_[0], *const ext1_kind = c->u8_[1], *const event_at_23_8 = c->u8_[2];
    u8 *const ip_words = c->u8_[3], *const ip_words_times_4 = c->u8_[0], *const ip_l4 = c->u8_[3];
    u8 *const after_ip_words_times_4 = c->u8_[4], *const after_ip_words_times_4_2 = c->u8_[5], *const l4 = c->u8_[4];
    u8 *const after_l4 = c->u8_[3], *const after_ip_words_times_4_3 = c->u8_[5], *const after_captured = c->u8_[5];
    u8 *const after_frame_len = c->u8_[0], *const after_event_at_18_16 = c->u8_[6], *const l4_at_12_8 = c->u8_[2];
    u8 *const l4_at_12_8_bits_4_7 = c->u8_[6], *const tcp_hdr_len = c->u8_[2], *const tcp_payload = c->u8_[6];
    u8 *const l4_at_0_8 = c->u8_[5];
    u16 *const ethertype = c->u16_[0], *const event_at_18_16 = c->u16_[1], *const ethertype_2 = c->u16_[0];
    u16 *const ethertype_3 = c->u16_[2], *const ip_frag_offset = c->u16_[3], *const ip_words_times_4_u16 = c->u16_[3];
    u16 *const tcp_dstport = c->u16_[0], *const tcp_payload_u16 = c->u16_[1], *const udp_length = c->u16_[0];
    u32 *const raw_ethertype = c->u32_[0], *const raw_event_at_14_8 = c->u32_[1], *const raw_ethertype_3 = c->u32_[2];
    u32 *const raw_event_at_23_8 = c->u32_[3], *const ip_dst = c->u32_[4], *const event_at_300_32 = c->u32_[0];
    u32 *const ethertype_2_plus_14 = c->u32_[2], *const raw_l4_at_0_8 = c->u32_[1], *const raw_udp_length = c->u32_[3];
    u32 *const raw_l4_at_12_8 = c->u32_[5], *const frame_len_u32 = c->u32_[0], *const event_at_18_16_plus_54 = c->u32_[4];
    u32 *const tcp_payload_u32 = c->u32_[5], *const l4_plus_udp_length = c->u32_[5];
    u64 moved;
    c->strays = too_short(c, 54);
    fetch_ahead(c, 0);
    read_window(c->at, 10, raw_ethertype, raw_event_at_14_8, raw_ethertype_3, raw_event_at_23_8);
    EACH {
        const u8 *p = (const u8 *)c->at[i];
        ip_dst[i] = get_u32(p + 30);
    }
    take_u32_u16(ethertype, raw_ethertype, ALL, 0x80800203u, 1, 0, (u16)0xffffu);
    u64 w_ethertype_in_33024_34984_37120 = in_ranges_u16(ethertype, ethertype_low, ethertype_span, 3);
    u64 w_ethertype_eq_34525 = eqk_u16(ethertype, (u16)0x86ddu /* 34525 */);
    take_u32_u8(event_at_14_8, raw_event_at_14_8, ALL, 0x80808000u, 0, 0, (u8)255u);
    take_u32_u8(ext1_kind, raw_ethertype_3, ALL, 0x80808002u, 0, 16, (u8)255u);
    u64 w_event_at_14_8_in_96_111 = 0, w_ext1_is_ext = 0;
    if (w_ethertype_eq_34525) {
        w_event_at_14_8_in_96_111 = rangek_u8(event_at_14_8, (u8)96u, (u8)15u);
        w_ext1_is_ext = in_ranges_u8(ext1_kind, ext1_kind_low_2, ext1_kind_span_2, 4);
    }
    u64 w40 = w_ethertype_eq_34525 & w_event_at_14_8_in_96_111 & w_ext1_is_ext;
    u64 w501 = ~w_ethertype_in_33024_34984_37120 & ~w40;
    c->strays = (c->strays | ~(w501)) & c->live;
    if (c->strays | c->looking)
        return;
    moved = reach(c, 300, 304);
    EACH { /* gather */
        const u8 *p = (const u8 *)(c->at[i]);
        event_at_300_32[i] = get_u32(p + 300);
    }
    lead_back(c, moved);
    take_u32_u16(event_at_18_16, raw_ethertype_3, ALL, 0x80800001u, 1, 16, (u16)0xffffu);
    take_u32_u8(event_at_23_8, raw_event_at_23_8, ALL, 0x80808001u, 0, 8, (u8)255u);
    u64 w_captured_lt_304 = ltk_u16(c->captured, (u16)304u);
    settle_u32(event_at_300_32, ~w_captured_lt_304, 1, 0, 0xffffffffu);
    u64 w_ethertype_eq_2048 = eqk_u16(ethertype, (u16)0x800u /* 2048 */);
    u64 w_event_at_14_8_in_64_79 = rangek_u8(event_at_14_8, (u8)64u, (u8)15u);
    EACH ip_words[i] = (u8)((u32)event_at_14_8[i] & 15u);
    u64 w_ip_words_lt_5 = ltk_u8(ip_words, (u8)5u);
    u64 w_ip = w_ethertype_eq_2048 & w_event_at_14_8_in_64_79 & ~w_ip_words_lt_5;
    u64 w_ip_frag_offset_eq_0 = 0, w_captured_lt_ip_l4 = 0, w_ethertype_2_eq_0 = 0, w_ethertype_2_lt_ip_words_times_4 = 0, w171 = 0, w_captured_lt_ip_words_times_4_plus_34 = 0, w_ethertype_2_lt_ip_words_times_4_plus_20 = 0, w214 = 0, w_captured_lt_ip_words_times_4_plus_22 = 0, w_ethertype_2_lt_ip_words_times_4_plus_8 = 0, w263 = 0, w_ethertype_2_lt_ip_words_times_4_plus_12 = 0, w352 = 0, w_captured_lt_ip_words_times_4_plus_26 = 0;
    if (w_ethertype_eq_2048 & w_event_at_14_8_in_64_79 & ~w_ip_words_lt_5) {
        take_u32_u16(ethertype_2, raw_event_at_14_8, ALL, 0x80800203u, 1, 0, (u16)0xffffu);
        take_u32_u16(ethertype_3, raw_ethertype_3, ALL, 0x80800203u, 1, 0, (u16)0xffffu);
        EACH ip_words_times_4[i] = (u8)((u32)ip_words[i] * 4u);
        EACH ip_l4[i] = (u8)((u32)ip_words_times_4[i] + 14u);
        EACH ip_frag_offset[i] = (u16)((u32)ethertype_3[i] & 0x1fffu);
        w_ip_frag_offset_eq_0 = eqk_u16(ip_frag_offset, (u16)0u);
        room_u8(after_ip_words_times_4, c->captured, ip_words_times_4);
        w_captured_lt_ip_l4 = ltk_u8(after_ip_words_times_4, 14);
        w_ethertype_2_eq_0 = eqk_u16(ethertype_2, (u16)0u);
        EACH ip_words_times_4_u16[i] = (u16)ip_words_times_4[i];
        w_ethertype_2_lt_ip_words_times_4 = lt_u16(ethertype_2, ip_words_times_4_u16);
        w171 = ~w_ethertype_2_eq_0 & w_ethertype_2_lt_ip_words_times_4;
        w_captured_lt_ip_words_times_4_plus_34 = ltk_u8(after_ip_words_times_4, 34);
        room_u8(after_ip_words_times_4_2, ethertype_2, ip_words_times_4);
        w_ethertype_2_lt_ip_words_times_4_plus_20 = ltk_u8(after_ip_words_times_4_2, 20);
        w214 = ~w_ethertype_2_eq_0 & w_ethertype_2_lt_ip_words_times_4_plus_20;
        w_captured_lt_ip_words_times_4_plus_22 = ltk_u8(after_ip_words_times_4, 22);
        w_ethertype_2_lt_ip_words_times_4_plus_8 = ltk_u8(after_ip_words_times_4_2, 8);
        w263 = ~w_ethertype_2_eq_0 & w_ethertype_2_lt_ip_words_times_4_plus_8;
        w_ethertype_2_lt_ip_words_times_4_plus_12 = ltk_u8(after_ip_words_times_4_2, 12);
        w352 = ~w_ethertype_2_eq_0 & w_ethertype_2_lt_ip_words_times_4_plus_12;
        EACH ethertype_2_plus_14[i] = (u32)((u32)ethertype_2[i] + 14u);
        w_captured_lt_ip_words_times_4_plus_26 = ltk_u8(after_ip_words_times_4, 26);
    }
    muxck_u8(l4, w_ip, ip_l4, (u8)54u);
    moved = reach_u8(c, l4, 0, 16);
    EACH c->from[i] = c->at[i] + l4[i];
    read_window(c->from, 0, raw_l4_at_0_8, raw_udp_length, NULL, raw_l4_at_12_8);
    lead_back(c, moved);
    room_u8(after_l4, c->captured, l4);
    u64 w_captured_lt_l4_plus_4 = ltk_u8(after_l4, 4);
    take_u32_u16(tcp_dstport, raw_l4_at_0_8, ~w_captured_lt_l4_plus_4, 0x80800203u, 1, 0, (u16)0xffffu);
    c->chunk->punt = 0;
    /* block guard: first */
    c->free = c->live;
    u64 w_event_at_23_8_eq_6 = eqk_u8(event_at_23_8, (u8)6u);
    u64 w_tcp_dstport_eq_22 = 0, w_servers = 0;
    if (w_ethertype_eq_2048 & w_event_at_14_8_in_64_79 & ~w_ip_words_lt_5 & w_ip_frag_offset_eq_0 & w_event_at_23_8_eq_6) {
        settle_u32(ip_dst, ALL, 1, 0, 0xffffffffu);
        w_tcp_dstport_eq_22 = eqk_u16(tcp_dstport, (u16)22u);
        w_servers = hit_u32(ip_dst, c->tables + 0);
    }
    u64 w_frame_len_lt_ip_l4 = 0, w_frame_len_lt_ip_words_times_4_plus_34 = 0, w_frame_len_lt_ip_words_times_4_plus_22 = 0, w_frame_len_lt_ip_words_times_4_plus_26 = 0;
    if ((w_ethertype_eq_2048 & w_event_at_14_8_in_64_79 & ~w_ip_words_lt_5) && (w_ethertype_2_eq_0)) {
        room_u8(after_ip_words_times_4_3, c->size, ip_words_times_4);
        w_frame_len_lt_ip_l4 = ltk_u8(after_ip_words_times_4_3, 14);
        w_frame_len_lt_ip_words_times_4_plus_34 = ltk_u8(after_ip_words_times_4_3, 34);
        w_frame_len_lt_ip_words_times_4_plus_22 = ltk_u8(after_ip_words_times_4_3, 22);
        w_frame_len_lt_ip_words_times_4_plus_26 = ltk_u8(after_ip_words_times_4_3, 26);
    }
    u64 w170 = 0, w184 = 0, w213 = 0, w262 = 0, w264 = 0, w172 = 0, w215 = 0, w351 = 0, w353 = 0;
    if (w_ethertype_eq_2048 & w_event_at_14_8_in_64_79 & ~w_ip_words_lt_5) {
        w170 = w_ethertype_2_eq_0 & w_frame_len_lt_ip_l4;
        w184 = w_captured_lt_ip_l4 | w170 | w171;
        w213 = w_ethertype_2_eq_0 & w_frame_len_lt_ip_words_times_4_plus_34;
        w262 = w_ethertype_2_eq_0 & w_frame_len_lt_ip_words_times_4_plus_22;
        w264 = w262 | w263;
        w172 = w170 | w171;
        w215 = w213 | w214;
        w351 = w_ethertype_2_eq_0 & w_frame_len_lt_ip_words_times_4_plus_26;
        w353 = w351 | w352;
    }
    u64 w239 = 0;
    if (w_ethertype_eq_2048 & w_event_at_14_8_in_64_79 & ~w_ip_words_lt_5 & w_ip_frag_offset_eq_0 & w_event_at_23_8_eq_6) {
        w239 = w_captured_lt_ip_words_times_4_plus_34 | w213 | w214;
    }
    fetch_ahead(c, 1);
    u64 rule_login = w_ethertype_eq_2048 & w_event_at_14_8_in_64_79 & ~w_ip_words_lt_5 & w_ip_frag_offset_eq_0 & ~w184 & w_event_at_23_8_eq_6 & w_tcp_dstport_eq_22 & w_servers & ~w239;
    /* rule 0: login */
    take(c, rule_login, 0);
    u64 w_ext2_passed = w_ethertype_eq_34525 & w_event_at_14_8_in_96_111;
    u64 w186 = w_ethertype_eq_2048 & w_event_at_14_8_in_64_79 & ~w_ip_words_lt_5 & w_ip_frag_offset_eq_0 & ~w184;
    u64 w_has_l4 = w_ext2_passed | w186;
    u64 w_event_at_23_8_eq_17 = eqk_u8(event_at_23_8, (u8)17u);
    u64 w246 = w_ethertype_eq_2048 & w_event_at_14_8_in_64_79 & ~w_ip_words_lt_5 & w_event_at_23_8_eq_17;
    u64 w_ext1_kind_eq_17 = eqk_u8(ext1_kind, (u8)17u);
    u64 w247 = ~w_ip & w_ext1_kind_eq_17;
    u64 w248 = w246 | w247;
    u64 w254 = w_ethertype_eq_2048 & w_event_at_14_8_in_64_79 & ~w_ip_words_lt_5 & w_captured_lt_ip_words_times_4_plus_22;
    clamp_u16(after_captured, c->captured);
    u64 w_captured_lt_62 = ltk_u8(after_captured, 62);
    u64 w255 = w_captured_lt_62 & ~w_ip;
    u64 w265 = w_ethertype_eq_2048 & w_event_at_14_8_in_64_79 & ~w_ip_words_lt_5 & w264;
    u64 w_event_at_18_16_eq_0 = eqk_u16(event_at_18_16, (u16)0u);
    clamp_u16(after_frame_len, c->size);
    u64 w_frame_len_lt_62 = ltk_u8(after_frame_len, 62);
    u64 w67 = w_event_at_18_16_eq_0 & w_frame_len_lt_62;
    clamp_u16(after_event_at_18_16, event_at_18_16);
    u64 w_event_at_18_16_lt_8 = ltk_u8(after_event_at_18_16, 8);
    u64 w68 = ~w_event_at_18_16_eq_0 & w_event_at_18_16_lt_8;
    u64 w69 = w67 | w68;
    u64 w266 = w69 & ~w_ip;
    u64 w268 = w254 | w255 | w265 | w266;
    u64 w_tcp_dstport_eq_53 = eqk_u16(tcp_dstport, (u16)53u);
    u64 rule_names = w_has_l4 & w248 & ~w268 & w_tcp_dstport_eq_53;
    /* rule 1: names */
    take(c, rule_names, 1);
    /* rule 2: default */
    take(c, ALL, 2);
    /* block audit: all */
    u64 w_frame_len_gt_9000 = gtk_u16(c->size, (u16)0x2328u /* 9000 */);
    /* rule 3: jumbo */
    fire(c, w_frame_len_gt_9000 & c->live, 3);
    u64 w_event_at_300_32_eq_1 = eqk_u32(event_at_300_32, 1u);
    u64 rule_far = ~w_captured_lt_304 & w_event_at_300_32_eq_1;
    /* rule 4: far */
    fire(c, rule_far & c->live, 4);
    u64 w179 = w_ethertype_eq_2048 & w_event_at_14_8_in_64_79 & ~w_ip_words_lt_5 & w172;
    u64 w194 = w_ethertype_eq_2048 & w_event_at_14_8_in_64_79 & ~w_ip_words_lt_5 & w_event_at_23_8_eq_6;
    u64 w_ext1_kind_eq_6 = eqk_u8(ext1_kind, (u8)6u);
    u64 w195 = ~w_ip & w_ext1_kind_eq_6;
    u64 w196 = w194 | w195;
    u64 w267 = w265 | w266;
    u64 w_event_at_23_8_eq_132 = eqk_u8(event_at_23_8, (u8)132u);
    u64 w338 = w_ethertype_eq_2048 & w_event_at_14_8_in_64_79 & ~w_ip_words_lt_5 & w_event_at_23_8_eq_132;
    u64 w_ext1_kind_eq_132 = eqk_u8(ext1_kind, (u8)132u);
    u64 w339 = ~w_ip & w_ext1_kind_eq_132;
    u64 w340 = w338 | w339;
    fetch_ahead(c, 2);
    u64 w360 = w_ethertype_eq_2048 & w_event_at_14_8_in_64_79 & ~w_ip_words_lt_5 & w353;
    u64 w_frame_len_lt_66 = ltk_u8(after_frame_len, 66);
    u64 w357 = w_event_at_18_16_eq_0 & w_frame_len_lt_66;
    u64 w_event_at_18_16_lt_12 = ltk_u8(after_event_at_18_16, 12);
    u64 w358 = ~w_event_at_18_16_eq_0 & w_event_at_18_16_lt_12;
    u64 w359 = w357 | w358;
    u64 w361 = ~w_ip & w359;
    u64 w362 = w360 | w361;
    u64 w_event_at_23_8_eq_1 = eqk_u8(event_at_23_8, (u8)1u);
    u64 w_ext1_kind_eq_58 = eqk_u8(ext1_kind, (u8)58u);
    u64 w_frame_len_lt_58 = 0, w311 = 0, w_event_at_18_16_lt_4 = 0, w312 = 0, w313 = 0;
    if (w_ethertype_eq_34525) {
        w_frame_len_lt_58 = ltk_u8(after_frame_len, 58);
        w311 = w_event_at_18_16_eq_0 & w_frame_len_lt_58;
        w_event_at_18_16_lt_4 = ltk_u8(after_event_at_18_16, 4);
        w312 = ~w_event_at_18_16_eq_0 & w_event_at_18_16_lt_4;
        w313 = w311 | w312;
    }
    u64 w381 = w_ethertype_eq_34525 & w_event_at_14_8_in_96_111 & w_ext1_kind_eq_58 & w313;
    u64 w_captured_lt_58 = ltk_u8(after_captured, 58);
    u64 w_captured_lt_frame_len = lt_u16(c->captured, c->size);
    u64 w438 = w_ethertype_eq_2048 & w_event_at_14_8_in_64_79 & ~w_ip_words_lt_5 & w_captured_lt_ip_l4 & ~w_captured_lt_frame_len & ~w172;
    u64 w141 = w_event_at_14_8_in_64_79 & ~w_ip_words_lt_5;
    u64 w440 = w_ethertype_eq_2048 & ~w141;
    u64 w442 = w_ethertype_eq_34525 & ~w_event_at_14_8_in_96_111;
    EACH frame_len_u32[i] = (u32)c->size[i];
    EACH event_at_18_16_plus_54[i] = (u32)((u32)event_at_18_16[i] + 54u);
    u64 w205 = w_ethertype_eq_2048 & w_event_at_14_8_in_64_79 & ~w_ip_words_lt_5 & w_captured_lt_ip_words_times_4_plus_34;
    u64 w_captured_lt_74 = ltk_u8(after_captured, 74);
    u64 w206 = ~w_ip & w_captured_lt_74;
    u64 w207 = w205 | w206;
    u64 w_captured_lt_l4_plus_13 = 0, w222 = 0, w_frame_len_lt_74 = 0, w219 = 0, w_event_at_18_16_lt_20 = 0, w220 = 0, w221 = 0, w223 = 0, w224 = 0, w225 = 0, w_tcp_hdr_len_lt_20 = 0, w_captured_lt_tcp_payload = 0;
    if (w196) {
        w_captured_lt_l4_plus_13 = ltk_u8(after_l4, 13);
        take_u32_u8(l4_at_12_8, raw_l4_at_12_8, ~w_captured_lt_l4_plus_13, 0x80808000u, 0, 0, (u8)255u);
        w222 = w_ethertype_eq_2048 & w_event_at_14_8_in_64_79 & ~w_ip_words_lt_5 & w215;
        w_frame_len_lt_74 = ltk_u8(after_frame_len, 74);
        w219 = w_event_at_18_16_eq_0 & w_frame_len_lt_74;
        w_event_at_18_16_lt_20 = ltk_u8(after_event_at_18_16, 20);
        w220 = ~w_event_at_18_16_eq_0 & w_event_at_18_16_lt_20;
        w221 = w219 | w220;
        w223 = ~w_ip & w221;
        w224 = w222 | w223;
        w225 = w205 | w206 | w222 | w223;
        EACH l4_at_12_8_bits_4_7[i] = (u8)((l4_at_12_8[i] >> 4));
        EACH tcp_hdr_len[i] = (u8)((u32)l4_at_12_8_bits_4_7[i] * 4u);
        w_tcp_hdr_len_lt_20 = ltk_u8(tcp_hdr_len, (u8)20u);
        EACH tcp_payload[i] = (u8)((u32)l4[i] + (u32)tcp_hdr_len[i]);
        EACH tcp_payload_u16[i] = (u16)tcp_payload[i];
        EACH tcp_payload_u32[i] = (u32)tcp_payload[i];
        w_captured_lt_tcp_payload = lt_u16(c->captured, tcp_payload_u16);
    }
    u64 w331 = w_has_l4 & w196 & w207 & ~w224;
    u64 w256 = w254 | w255;
    u64 w334 = w_has_l4 & w248 & w256 & ~w267;
    u64 w368 = w_ethertype_eq_2048 & w_event_at_14_8_in_64_79 & ~w_ip_words_lt_5 & w_captured_lt_ip_words_times_4_plus_26;
    u64 w_captured_lt_66 = ltk_u8(after_captured, 66);
    u64 w369 = ~w_ip & w_captured_lt_66;
    u64 w370 = w368 | w369;
    u64 w371 = w_has_l4 & w340 & ~w362 & w370;
    u64 w379 = w_ethertype_eq_2048 & w_event_at_14_8_in_64_79 & ~w_ip_words_lt_5 & w_ip_frag_offset_eq_0 & ~w184 & w_captured_lt_ip_words_times_4_plus_22 & w_event_at_23_8_eq_1 & ~w264;
    u64 w383 = w_ethertype_eq_34525 & w_event_at_14_8_in_96_111 & w_captured_lt_58 & w_ext1_kind_eq_58 & ~w313;
    u64 w_captured_lt_l4_plus_1 = 0, w_l4_at_0_8_in_128_129 = 0;
    if (w_ethertype_eq_34525 & w_event_at_14_8_in_96_111 & ~w_captured_lt_58 & w_ext1_kind_eq_58 & ~w311 & ~w312) {
        w_captured_lt_l4_plus_1 = ltk_u8(after_l4, 1);
        take_u32_u8(l4_at_0_8, raw_l4_at_0_8, ~w_captured_lt_l4_plus_1, 0x80808000u, 0, 0, (u8)255u);
        w_l4_at_0_8_in_128_129 = rangek_u8(l4_at_0_8, (u8)128u, (u8)1u);
    }
    u64 w384 = 0;
    if (w_ethertype_eq_34525) {
        w384 = w_captured_lt_58 | w311 | w312;
    }
    fetch_ahead(c, 3);
    u64 w388 = w_ethertype_eq_34525 & w_event_at_14_8_in_96_111 & w_captured_lt_62 & w_ext1_kind_eq_58 & w_l4_at_0_8_in_128_129 & ~w384 & ~w69;
    u64 w330 = 0, w333 = 0, w364 = 0, w377 = 0, w386 = 0, w_frame_len_lt_event_at_18_16_plus_54 = 0, w290 = 0, w_frame_len_lt_65535 = 0, w443 = 0, w389 = 0, w445 = 0, w_ext1_kind_bit_5 = 0, w424 = 0;
    if (~w179 & ~w381 & ~w438 & ~w440 & ~w442) {
        w330 = w_has_l4 & w196 & w224;
        w333 = w_has_l4 & w248 & w267;
        w364 = w_has_l4 & w340 & w362;
        w377 = w_ethertype_eq_2048 & w_event_at_14_8_in_64_79 & ~w_ip_words_lt_5 & w_ip_frag_offset_eq_0 & ~w184 & w264 & w_event_at_23_8_eq_1;
        w386 = w_ethertype_eq_34525 & w_event_at_14_8_in_96_111 & w69 & w_ext1_kind_eq_58 & w_l4_at_0_8_in_128_129 & ~w384;
        w_frame_len_lt_event_at_18_16_plus_54 = lt_u32(frame_len_u32, event_at_18_16_plus_54);
        w290 = ~w_event_at_18_16_eq_0 & ~w_ip & w_frame_len_lt_event_at_18_16_plus_54;
        w_frame_len_lt_65535 = ltk_u16(c->size, (u16)0xffffu /* 65535 */);
        w443 = w_ext2_passed | w_ip;
        w389 = w331 | w334 | w371 | w379 | w383 | w388;
        w445 = ~w_captured_lt_frame_len & w389;
        w_ext1_kind_bit_5 = testk_u8(ext1_kind, (u8)32u);
        w424 = w_ethertype_eq_2048 & w_event_at_14_8_in_64_79 & ~w_ip_words_lt_5 & w_ext1_kind_bit_5;
    }
    u64 w_frame_len_lt_ethertype_2_plus_14 = 0;
    if ((w_ethertype_eq_2048 & w_event_at_14_8_in_64_79 & ~w_ip_words_lt_5) && (~w179 & ~w381 & ~w438 & ~w440 & ~w442)) {
        w_frame_len_lt_ethertype_2_plus_14 = lt_u32(frame_len_u32, ethertype_2_plus_14);
    }
    u64 w289 = 0, w291 = 0, w444 = 0;
    if (~w179 & ~w381 & ~w438 & ~w440 & ~w442) {
        w289 = w_ethertype_eq_2048 & w_event_at_14_8_in_64_79 & ~w_ip_words_lt_5 & ~w_ethertype_2_eq_0 & w_frame_len_lt_ethertype_2_plus_14;
        w291 = w289 | w290;
        w444 = w291 & w_frame_len_lt_65535 & w443;
    }
    u64 w_captured_lt_l4_plus_6 = 0, w_udp_length_eq_0 = 0;
    if ((~w179 & ~w330 & ~w333 & ~w364 & ~w377 & ~w381 & ~w386 & ~w438 & ~w440 & ~w442 & ~w444) && (w248 & ~w424)) {
        w_captured_lt_l4_plus_6 = ltk_u8(after_l4, 6);
        take_u32_u16(udp_length, raw_udp_length, ~w_captured_lt_l4_plus_6, 0x80800001u, 1, 16, (u16)0xffffu);
        w_udp_length_eq_0 = eqk_u16(udp_length, (u16)0u);
    }
    u64 w_frame_len_lt_tcp_payload = 0, w473 = 0, w_event_at_18_16_plus_54_lt_tcp_payload = 0, w474 = 0, w475 = 0, w477 = 0;
    if (w_has_l4 & w196 & ~w205 & ~w206 & ~w222 & ~w223 & ~w_tcp_hdr_len_lt_20) {
        w_frame_len_lt_tcp_payload = lt_u16(c->size, tcp_payload_u16);
        w473 = w_event_at_18_16_eq_0 & w_frame_len_lt_tcp_payload;
        w_event_at_18_16_plus_54_lt_tcp_payload = lt_u32(event_at_18_16_plus_54, tcp_payload_u32);
        w474 = ~w_event_at_18_16_eq_0 & w_event_at_18_16_plus_54_lt_tcp_payload;
        w475 = w473 | w474;
        w477 = ~w_ip & w475;
    }
    u64 w468 = 0, w_ethertype_2_plus_14_lt_tcp_payload = 0, w469 = 0, w470 = 0;
    if ((w_ethertype_eq_2048 & w_event_at_14_8_in_64_79 & ~w_ip_words_lt_5) && (w_has_l4 & w196 & ~w205 & ~w206 & ~w222 & ~w223 & ~w_tcp_hdr_len_lt_20)) {
        w468 = w_ethertype_2_eq_0 & w_frame_len_lt_tcp_payload;
        w_ethertype_2_plus_14_lt_tcp_payload = lt_u32(ethertype_2_plus_14, tcp_payload_u32);
        w469 = ~w_ethertype_2_eq_0 & w_ethertype_2_plus_14_lt_tcp_payload;
        w470 = w468 | w469;
    }
    u64 w476 = 0, w478 = 0;
    if (w_has_l4 & w196 & ~w205 & ~w206 & ~w222 & ~w223 & ~w_tcp_hdr_len_lt_20) {
        w476 = w_ethertype_eq_2048 & w_event_at_14_8_in_64_79 & ~w_ip_words_lt_5 & w470;
        w478 = w476 | w477;
    }
    u64 w_tcp_sound = 0;
    if ((~w179 & ~w381 & ~w438 & ~w440 & ~w442) && (w196)) {
        w_tcp_sound = w_has_l4 & w196 & ~w225 & ~w_tcp_hdr_len_lt_20 & ~w478;
    }
    u64 w482 = 0;
    if (~w179 & ~w381 & ~w438 & ~w440 & ~w442) {
        w482 = w_has_l4 & w196 & ~w225 & ~w_tcp_sound;
    }
    u64 w_udp_length_lt_8 = 0, w_frame_len_lt_l4_plus_udp_length = 0, w413 = 0, w_event_at_18_16_plus_54_lt_l4_plus_udp_length = 0, w414 = 0, w415 = 0, w417 = 0;
    if ((~w179 & ~w330 & ~w333 & ~w364 & ~w377 & ~w381 & ~w386 & ~w438 & ~w440 & ~w442 & ~w444) && (w_has_l4 & w248 & ~w254 & ~w255 & ~w265 & ~w266 & ~w_udp_length_eq_0 & ~w424)) {
        w_udp_length_lt_8 = ltk_u16(udp_length, (u16)8u);
        EACH l4_plus_udp_length[i] = (u32)((u32)l4[i] + (u32)udp_length[i]);
        w_frame_len_lt_l4_plus_udp_length = lt_u32(frame_len_u32, l4_plus_udp_length);
        w413 = w_event_at_18_16_eq_0 & w_frame_len_lt_l4_plus_udp_length;
        w_event_at_18_16_plus_54_lt_l4_plus_udp_length = lt_u32(event_at_18_16_plus_54, l4_plus_udp_length);
        w414 = ~w_event_at_18_16_eq_0 & w_event_at_18_16_plus_54_lt_l4_plus_udp_length;
        w415 = w413 | w414;
        w417 = ~w_ip & w415;
    }
    u64 w408 = 0, w_ethertype_2_plus_14_lt_l4_plus_udp_length = 0, w409 = 0, w410 = 0;
    if ((w_ethertype_eq_2048 & w_event_at_14_8_in_64_79 & ~w_ip_words_lt_5) && (~w179 & ~w330 & ~w333 & ~w364 & ~w377 & ~w381 & ~w386 & ~w438 & ~w440 & ~w442 & ~w444) && (w_has_l4 & w248 & ~w254 & ~w255 & ~w265 & ~w266 & ~w_udp_length_eq_0 & ~w424)) {
        w408 = w_ethertype_2_eq_0 & w_frame_len_lt_l4_plus_udp_length;
        w_ethertype_2_plus_14_lt_l4_plus_udp_length = lt_u32(ethertype_2_plus_14, l4_plus_udp_length);
        w409 = ~w_ethertype_2_eq_0 & w_ethertype_2_plus_14_lt_l4_plus_udp_length;
        w410 = w408 | w409;
    }
    u64 w416 = 0, w419 = 0;
    if ((~w179 & ~w330 & ~w333 & ~w364 & ~w377 & ~w381 & ~w386 & ~w438 & ~w440 & ~w442 & ~w444) && (w_has_l4 & w248 & ~w254 & ~w255 & ~w265 & ~w266 & ~w_udp_length_eq_0 & ~w424)) {
        w416 = w_ethertype_eq_2048 & w_event_at_14_8_in_64_79 & ~w_ip_words_lt_5 & w410;
        w419 = w_udp_length_lt_8 | w416 | w417;
    }
    u64 w484 = 0;
    if (~w179 & ~w330 & ~w333 & ~w364 & ~w377 & ~w381 & ~w386 & ~w438 & ~w440 & ~w442 & ~w444) {
        w484 = w_has_l4 & w248 & ~w268 & ~w_udp_length_eq_0 & w419 & ~w424;
    }
    u64 w487 = w179 | w330 | w333 | w364 | w377 | w381 | w386 | w438 | w440 | w442 | w444 | w445 | w482 | w484;
    c->chunk->malformed = w487 & c->live;
    u64 w437 = w_ethertype_eq_2048 & w_event_at_14_8_in_64_79 & ~w_ip_words_lt_5 & w_captured_lt_ip_l4 & ~w172;
    u64 w490 = w_has_l4 & w196 & ~w225 & ~w_tcp_hdr_len_lt_20 & ~w478 & w_captured_lt_tcp_payload;
    u64 w491 = w331 | w334 | w371 | w379 | w383 | w388 | w437 | w490;
    u64 w492 = w_captured_lt_frame_len & w491;
    c->chunk->truncated = w492 & c->live;
}


static __attribute__((noinline)) void second_0(struct columns *restrict c)
{
    u8 *const event_at_18_8 = c->u8_[0], *const ext1_kind = c->u8_[1], *const event_at_27_8 = c->u8_[2];
    u8 *const ip_words = c->u8_[3], *const ip_words_times_4 = c->u8_[0], *const ip_l4 = c->u8_[3];
    u8 *const after_ip_words_times_4 = c->u8_[4], *const after_ip_words_times_4_2 = c->u8_[5], *const l4 = c->u8_[4];
    u8 *const after_l4 = c->u8_[3], *const after_ip_words_times_4_3 = c->u8_[5], *const after_captured = c->u8_[5];
    u8 *const after_frame_len = c->u8_[0], *const after_event_at_22_16 = c->u8_[6], *const l4_at_12_8 = c->u8_[2];
    u8 *const l4_at_12_8_bits_4_7 = c->u8_[6], *const tcp_hdr_len = c->u8_[2], *const tcp_payload = c->u8_[6];
    u8 *const l4_at_0_8 = c->u8_[5];
    u16 *const ethertype_1 = c->u16_[0], *const ethertype = c->u16_[0], *const event_at_22_16 = c->u16_[1];
    u16 *const ethertype_3 = c->u16_[0], *const event_at_24_16 = c->u16_[2], *const ip_frag_offset = c->u16_[3];
    u16 *const ip_words_times_4_u16 = c->u16_[3], *const tcp_dstport = c->u16_[0], *const tcp_payload_u16 = c->u16_[1];
    u16 *const udp_length = c->u16_[0];
    u32 *const raw_ethertype_1 = c->u32_[0], *const raw_ethertype = c->u32_[1], *const raw_event_at_18_8 = c->u32_[2];
    u32 *const raw_event_at_24_16 = c->u32_[3], *const raw_event_at_27_8 = c->u32_[4], *const ip_dst = c->u32_[5];
    u32 *const event_at_300_32 = c->u32_[1], *const ethertype_3_plus_18 = c->u32_[3], *const raw_l4_at_0_8 = c->u32_[2];
    u32 *const raw_udp_length = c->u32_[4], *const raw_l4_at_12_8 = c->u32_[0], *const frame_len_u32 = c->u32_[1];
    u32 *const event_at_22_16_plus_58 = c->u32_[5], *const tcp_payload_u32 = c->u32_[0], *const l4_plus_udp_length = c->u32_[0];
    u64 moved;
    c->strays = too_short(c, 54);
    fetch_ahead(c, 0);
    read_window(c->at, 10, raw_ethertype_1, raw_ethertype, raw_event_at_18_8, raw_event_at_24_16);
    read_window(c->at, 26, raw_event_at_27_8, NULL, ip_dst, NULL);
    take_u32_u16(ethertype_1, raw_ethertype_1, ALL, 0x80800203u, 1, 0, (u16)0xffffu);
    u64 w_ethertype_1_in_33024_34984_37120 = in_ranges_u16(ethertype_1, ethertype_1_low_2, ethertype_1_span_2, 3);
    take_u32_u16(ethertype, raw_ethertype, ALL, 0x80800203u, 1, 0, (u16)0xffffu);
    u64 w_ethertype_eq_34525 = eqk_u16(ethertype, (u16)0x86ddu /* 34525 */);
    take_u32_u8(event_at_18_8, raw_event_at_18_8, ALL, 0x80808000u, 0, 0, (u8)255u);
    u64 w_event_at_18_8_in_96_111 = rangek_u8(event_at_18_8, (u8)96u, (u8)15u);
    take_u32_u8(ext1_kind, raw_event_at_24_16, ALL, 0x80808002u, 0, 16, (u8)255u);
    u64 w_ethertype_in_33024_34984_37120 = 0, w_ext1_is_ext = 0, w504 = 0;
    if (w_ethertype_1_in_33024_34984_37120) {
        w_ethertype_in_33024_34984_37120 = in_ranges_u16(ethertype, ethertype_low_2, ethertype_span_2, 3);
        w_ext1_is_ext = in_ranges_u8(ext1_kind, ext1_kind_low_3, ext1_kind_span_3, 4);
        w504 = w_ethertype_eq_34525 & w_event_at_18_8_in_96_111 & w_ext1_is_ext;
    }
    u64 w510 = w_ethertype_1_in_33024_34984_37120 & ~w_ethertype_in_33024_34984_37120 & ~w504;
    c->strays = (c->strays | ~(w510)) & c->live;
    if (c->strays | c->looking)
        return;
    moved = reach(c, 300, 304);
    EACH { /* gather */
        const u8 *p = (const u8 *)(c->at[i]);
        event_at_300_32[i] = get_u32(p + 300);
    }
    lead_back(c, moved);
    take_u32_u16(event_at_22_16, raw_event_at_24_16, ALL, 0x80800001u, 1, 16, (u16)0xffffu);
    take_u32_u8(event_at_27_8, raw_event_at_27_8, ALL, 0x80808001u, 0, 8, (u8)255u);
    u64 w_captured_lt_304 = ltk_u16(c->captured, (u16)304u);
    settle_u32(event_at_300_32, ~w_captured_lt_304, 1, 0, 0xffffffffu);
    u64 w_ethertype_eq_2048 = eqk_u16(ethertype, (u16)0x800u /* 2048 */);
    u64 w_event_at_18_8_in_64_79 = rangek_u8(event_at_18_8, (u8)64u, (u8)15u);
    EACH ip_words[i] = (u8)((u32)event_at_18_8[i] & 15u);
    u64 w_ip_words_lt_5 = ltk_u8(ip_words, (u8)5u);
    u64 w_ip = w_ethertype_eq_2048 & w_event_at_18_8_in_64_79 & ~w_ip_words_lt_5;
    u64 w_ip_frag_offset_eq_0 = 0, w_captured_lt_ip_l4 = 0, w_ethertype_3_eq_0 = 0, w_ethertype_3_lt_ip_words_times_4 = 0, w176 = 0, w_captured_lt_ip_words_times_4_plus_38 = 0, w_ethertype_3_lt_ip_words_times_4_plus_20 = 0, w219 = 0, w_captured_lt_ip_words_times_4_plus_26 = 0, w_ethertype_3_lt_ip_words_times_4_plus_8 = 0, w268 = 0, w_ethertype_3_lt_ip_words_times_4_plus_12 = 0, w357 = 0, w_captured_lt_ip_words_times_4_plus_30 = 0;
    if (w_ethertype_eq_2048 & w_event_at_18_8_in_64_79 & ~w_ip_words_lt_5) {
        take_u32_u16(ethertype_3, raw_event_at_18_8, ALL, 0x80800203u, 1, 0, (u16)0xffffu);
        take_u32_u16(event_at_24_16, raw_event_at_24_16, ALL, 0x80800203u, 1, 0, (u16)0xffffu);
        EACH ip_words_times_4[i] = (u8)((u32)ip_words[i] * 4u);
        EACH ip_l4[i] = (u8)((u32)ip_words_times_4[i] + 18u);
        EACH ip_frag_offset[i] = (u16)((u32)event_at_24_16[i] & 0x1fffu);
        w_ip_frag_offset_eq_0 = eqk_u16(ip_frag_offset, (u16)0u);
        room_u8(after_ip_words_times_4, c->captured, ip_words_times_4);
        w_captured_lt_ip_l4 = ltk_u8(after_ip_words_times_4, 18);
        w_ethertype_3_eq_0 = eqk_u16(ethertype_3, (u16)0u);
        EACH ip_words_times_4_u16[i] = (u16)ip_words_times_4[i];
        w_ethertype_3_lt_ip_words_times_4 = lt_u16(ethertype_3, ip_words_times_4_u16);
        w176 = ~w_ethertype_3_eq_0 & w_ethertype_3_lt_ip_words_times_4;
        w_captured_lt_ip_words_times_4_plus_38 = ltk_u8(after_ip_words_times_4, 38);
        room_u8(after_ip_words_times_4_2, ethertype_3, ip_words_times_4);
        w_ethertype_3_lt_ip_words_times_4_plus_20 = ltk_u8(after_ip_words_times_4_2, 20);
        w219 = ~w_ethertype_3_eq_0 & w_ethertype_3_lt_ip_words_times_4_plus_20;
        w_captured_lt_ip_words_times_4_plus_26 = ltk_u8(after_ip_words_times_4, 26);
        w_ethertype_3_lt_ip_words_times_4_plus_8 = ltk_u8(after_ip_words_times_4_2, 8);
        w268 = ~w_ethertype_3_eq_0 & w_ethertype_3_lt_ip_words_times_4_plus_8;
        w_ethertype_3_lt_ip_words_times_4_plus_12 = ltk_u8(after_ip_words_times_4_2, 12);
        w357 = ~w_ethertype_3_eq_0 & w_ethertype_3_lt_ip_words_times_4_plus_12;
        EACH ethertype_3_plus_18[i] = (u32)((u32)ethertype_3[i] + 18u);
        w_captured_lt_ip_words_times_4_plus_30 = ltk_u8(after_ip_words_times_4, 30);
    }
    muxck_u8(l4, w_ip, ip_l4, (u8)58u);
    moved = reach_u8(c, l4, 0, 16);
    EACH c->from[i] = c->at[i] + l4[i];
    read_window(c->from, 0, raw_l4_at_0_8, raw_udp_length, NULL, raw_l4_at_12_8);
    lead_back(c, moved);
    room_u8(after_l4, c->captured, l4);
    u64 w_captured_lt_l4_plus_4 = ltk_u8(after_l4, 4);
    take_u32_u16(tcp_dstport, raw_l4_at_0_8, ~w_captured_lt_l4_plus_4, 0x80800203u, 1, 0, (u16)0xffffu);
    c->chunk->punt = 0;
    /* block guard: first */
    c->free = c->live;
    u64 w_event_at_27_8_eq_6 = eqk_u8(event_at_27_8, (u8)6u);
    u64 w_tcp_dstport_eq_22 = 0, w_servers = 0;
    if (w_ethertype_eq_2048 & w_event_at_18_8_in_64_79 & ~w_ip_words_lt_5 & w_ip_frag_offset_eq_0 & w_event_at_27_8_eq_6) {
        settle_u32(ip_dst, ALL, 1, 0, 0xffffffffu);
        w_tcp_dstport_eq_22 = eqk_u16(tcp_dstport, (u16)22u);
        w_servers = hit_u32(ip_dst, c->tables + 0);
    }
    u64 w_frame_len_lt_ip_l4 = 0, w_frame_len_lt_ip_words_times_4_plus_38 = 0, w_frame_len_lt_ip_words_times_4_plus_26 = 0, w_frame_len_lt_ip_words_times_4_plus_30 = 0;
    if ((w_ethertype_eq_2048 & w_event_at_18_8_in_64_79 & ~w_ip_words_lt_5) && (w_ethertype_3_eq_0)) {
        room_u8(after_ip_words_times_4_3, c->size, ip_words_times_4);
        w_frame_len_lt_ip_l4 = ltk_u8(after_ip_words_times_4_3, 18);
        w_frame_len_lt_ip_words_times_4_plus_38 = ltk_u8(after_ip_words_times_4_3, 38);
        w_frame_len_lt_ip_words_times_4_plus_26 = ltk_u8(after_ip_words_times_4_3, 26);
        w_frame_len_lt_ip_words_times_4_plus_30 = ltk_u8(after_ip_words_times_4_3, 30);
    }
    u64 w175 = 0, w189 = 0, w218 = 0, w267 = 0, w269 = 0, w177 = 0, w220 = 0, w356 = 0, w358 = 0;
    if (w_ethertype_eq_2048 & w_event_at_18_8_in_64_79 & ~w_ip_words_lt_5) {
        w175 = w_ethertype_3_eq_0 & w_frame_len_lt_ip_l4;
        w189 = w_captured_lt_ip_l4 | w175 | w176;
        w218 = w_ethertype_3_eq_0 & w_frame_len_lt_ip_words_times_4_plus_38;
        w267 = w_ethertype_3_eq_0 & w_frame_len_lt_ip_words_times_4_plus_26;
        w269 = w267 | w268;
        w177 = w175 | w176;
        w220 = w218 | w219;
        w356 = w_ethertype_3_eq_0 & w_frame_len_lt_ip_words_times_4_plus_30;
        w358 = w356 | w357;
    }
    u64 w244 = 0;
    if (w_ethertype_eq_2048 & w_event_at_18_8_in_64_79 & ~w_ip_words_lt_5 & w_ip_frag_offset_eq_0 & w_event_at_27_8_eq_6) {
        w244 = w_captured_lt_ip_words_times_4_plus_38 | w218 | w219;
    }
    fetch_ahead(c, 1);
    u64 rule_login = w_ethertype_eq_2048 & w_event_at_18_8_in_64_79 & ~w_ip_words_lt_5 & w_ip_frag_offset_eq_0 & ~w189 & w_event_at_27_8_eq_6 & w_tcp_dstport_eq_22 & w_servers & ~w244;
    /* rule 0: login */
    take(c, rule_login, 0);
    clamp_u16(after_captured, c->captured);
    u64 w_captured_lt_58 = ltk_u8(after_captured, 58);
    u64 w_ext2_passed = w_ethertype_eq_34525 & w_event_at_18_8_in_96_111 & ~w_captured_lt_58;
    u64 w191 = w_ethertype_eq_2048 & w_event_at_18_8_in_64_79 & ~w_ip_words_lt_5 & w_ip_frag_offset_eq_0 & ~w189;
    u64 w_has_l4 = w_ext2_passed | w191;
    u64 w_event_at_27_8_eq_17 = eqk_u8(event_at_27_8, (u8)17u);
    u64 w251 = w_ethertype_eq_2048 & w_event_at_18_8_in_64_79 & ~w_ip_words_lt_5 & w_event_at_27_8_eq_17;
    u64 w_ext1_kind_eq_17 = eqk_u8(ext1_kind, (u8)17u);
    u64 w252 = ~w_ip & w_ext1_kind_eq_17;
    u64 w253 = w251 | w252;
    u64 w259 = w_ethertype_eq_2048 & w_event_at_18_8_in_64_79 & ~w_ip_words_lt_5 & w_captured_lt_ip_words_times_4_plus_26;
    u64 w_captured_lt_66 = ltk_u8(after_captured, 66);
    u64 w260 = w_captured_lt_66 & ~w_ip;
    u64 w270 = w_ethertype_eq_2048 & w_event_at_18_8_in_64_79 & ~w_ip_words_lt_5 & w269;
    u64 w_event_at_22_16_eq_0 = eqk_u16(event_at_22_16, (u16)0u);
    clamp_u16(after_frame_len, c->size);
    u64 w_frame_len_lt_66 = ltk_u8(after_frame_len, 66);
    u64 w69 = w_event_at_22_16_eq_0 & w_frame_len_lt_66;
    clamp_u16(after_event_at_22_16, event_at_22_16);
    u64 w_event_at_22_16_lt_8 = ltk_u8(after_event_at_22_16, 8);
    u64 w70 = ~w_event_at_22_16_eq_0 & w_event_at_22_16_lt_8;
    u64 w71 = w69 | w70;
    u64 w271 = w71 & ~w_ip;
    u64 w273 = w259 | w260 | w270 | w271;
    u64 w_tcp_dstport_eq_53 = eqk_u16(tcp_dstport, (u16)53u);
    u64 rule_names = w_has_l4 & w253 & ~w273 & w_tcp_dstport_eq_53;
    /* rule 1: names */
    take(c, rule_names, 1);
    /* rule 2: default */
    take(c, ALL, 2);
    /* block audit: all */
    u64 w_frame_len_gt_9000 = gtk_u16(c->size, (u16)0x2328u /* 9000 */);
    /* rule 3: jumbo */
    fire(c, w_frame_len_gt_9000 & c->live, 3);
    u64 w_event_at_300_32_eq_1 = eqk_u32(event_at_300_32, 1u);
    u64 rule_far = ~w_captured_lt_304 & w_event_at_300_32_eq_1;
    /* rule 4: far */
    fire(c, rule_far & c->live, 4);
    u64 w184 = w_ethertype_eq_2048 & w_event_at_18_8_in_64_79 & ~w_ip_words_lt_5 & w177;
    u64 w199 = w_ethertype_eq_2048 & w_event_at_18_8_in_64_79 & ~w_ip_words_lt_5 & w_event_at_27_8_eq_6;
    u64 w_ext1_kind_eq_6 = eqk_u8(ext1_kind, (u8)6u);
    u64 w200 = ~w_ip & w_ext1_kind_eq_6;
    u64 w201 = w199 | w200;
    u64 w272 = w270 | w271;
    u64 w_event_at_27_8_eq_132 = eqk_u8(event_at_27_8, (u8)132u);
    u64 w343 = w_ethertype_eq_2048 & w_event_at_18_8_in_64_79 & ~w_ip_words_lt_5 & w_event_at_27_8_eq_132;
    u64 w_ext1_kind_eq_132 = eqk_u8(ext1_kind, (u8)132u);
    u64 w344 = ~w_ip & w_ext1_kind_eq_132;
    fetch_ahead(c, 2);
    u64 w345 = w343 | w344;
    u64 w365 = w_ethertype_eq_2048 & w_event_at_18_8_in_64_79 & ~w_ip_words_lt_5 & w358;
    u64 w_frame_len_lt_70 = ltk_u8(after_frame_len, 70);
    u64 w362 = w_event_at_22_16_eq_0 & w_frame_len_lt_70;
    u64 w_event_at_22_16_lt_12 = ltk_u8(after_event_at_22_16, 12);
    u64 w363 = ~w_event_at_22_16_eq_0 & w_event_at_22_16_lt_12;
    u64 w364 = w362 | w363;
    u64 w366 = ~w_ip & w364;
    u64 w367 = w365 | w366;
    u64 w_event_at_27_8_eq_1 = eqk_u8(event_at_27_8, (u8)1u);
    u64 w_ext1_kind_eq_58 = eqk_u8(ext1_kind, (u8)58u);
    u64 w_frame_len_lt_62 = ltk_u8(after_frame_len, 62);
    u64 w316 = w_event_at_22_16_eq_0 & w_frame_len_lt_62;
    u64 w_event_at_22_16_lt_4 = ltk_u8(after_event_at_22_16, 4);
    u64 w317 = ~w_event_at_22_16_eq_0 & w_event_at_22_16_lt_4;
    u64 w318 = w316 | w317;
    u64 w386 = w_ethertype_eq_34525 & w_event_at_18_8_in_96_111 & ~w_captured_lt_58 & w_ext1_kind_eq_58 & w318;
    u64 w_captured_lt_62 = ltk_u8(after_captured, 62);
    u64 w389 = w_captured_lt_62 | w316 | w317;
    u64 w_captured_lt_frame_len = lt_u16(c->captured, c->size);
    u64 w433 = w_ethertype_eq_34525 & w_captured_lt_58;
    u64 w443 = w_ethertype_eq_2048 & w_event_at_18_8_in_64_79 & ~w_ip_words_lt_5 & w_captured_lt_ip_l4 & ~w177;
    u64 w444 = w433 | w443;
    u64 w445 = ~w_captured_lt_frame_len & w444;
    u64 w144 = w_event_at_18_8_in_64_79 & ~w_ip_words_lt_5;
    u64 w447 = w_ethertype_eq_2048 & ~w144;
    u64 w449 = w_ethertype_eq_34525 & ~w_captured_lt_58 & ~w_event_at_18_8_in_96_111;
    EACH frame_len_u32[i] = (u32)c->size[i];
    EACH event_at_22_16_plus_58[i] = (u32)((u32)event_at_22_16[i] + 58u);
    u64 w210 = w_ethertype_eq_2048 & w_event_at_18_8_in_64_79 & ~w_ip_words_lt_5 & w_captured_lt_ip_words_times_4_plus_38;
    u64 w_captured_lt_78 = ltk_u8(after_captured, 78);
    u64 w211 = ~w_ip & w_captured_lt_78;
    u64 w212 = w210 | w211;
    u64 w_captured_lt_l4_plus_13 = 0, w227 = 0, w_frame_len_lt_78 = 0, w224 = 0, w_event_at_22_16_lt_20 = 0, w225 = 0, w226 = 0, w228 = 0, w229 = 0, w230 = 0, w_tcp_hdr_len_lt_20 = 0, w_captured_lt_tcp_payload = 0;
    if (w201) {
        w_captured_lt_l4_plus_13 = ltk_u8(after_l4, 13);
        take_u32_u8(l4_at_12_8, raw_l4_at_12_8, ~w_captured_lt_l4_plus_13, 0x80808000u, 0, 0, (u8)255u);
        w227 = w_ethertype_eq_2048 & w_event_at_18_8_in_64_79 & ~w_ip_words_lt_5 & w220;
        w_frame_len_lt_78 = ltk_u8(after_frame_len, 78);
        w224 = w_event_at_22_16_eq_0 & w_frame_len_lt_78;
        w_event_at_22_16_lt_20 = ltk_u8(after_event_at_22_16, 20);
        w225 = ~w_event_at_22_16_eq_0 & w_event_at_22_16_lt_20;
        w226 = w224 | w225;
        w228 = ~w_ip & w226;
        w229 = w227 | w228;
        w230 = w210 | w211 | w227 | w228;
        EACH l4_at_12_8_bits_4_7[i] = (u8)((l4_at_12_8[i] >> 4));
        EACH tcp_hdr_len[i] = (u8)((u32)l4_at_12_8_bits_4_7[i] * 4u);
        w_tcp_hdr_len_lt_20 = ltk_u8(tcp_hdr_len, (u8)20u);
        EACH tcp_payload[i] = (u8)((u32)l4[i] + (u32)tcp_hdr_len[i]);
        EACH tcp_payload_u16[i] = (u16)tcp_payload[i];
        EACH tcp_payload_u32[i] = (u32)tcp_payload[i];
        w_captured_lt_tcp_payload = lt_u16(c->captured, tcp_payload_u16);
    }
    u64 w336 = w_has_l4 & w201 & w212 & ~w229;
    u64 w261 = w259 | w260;
    u64 w339 = w_has_l4 & w253 & w261 & ~w272;
    u64 w373 = w_ethertype_eq_2048 & w_event_at_18_8_in_64_79 & ~w_ip_words_lt_5 & w_captured_lt_ip_words_times_4_plus_30;
    u64 w_captured_lt_70 = ltk_u8(after_captured, 70);
    u64 w374 = ~w_ip & w_captured_lt_70;
    u64 w375 = w373 | w374;
    u64 w376 = w_has_l4 & w345 & ~w367 & w375;
    u64 w384 = w_ethertype_eq_2048 & w_event_at_18_8_in_64_79 & ~w_ip_words_lt_5 & w_ip_frag_offset_eq_0 & ~w189 & w_captured_lt_ip_words_times_4_plus_26 & w_event_at_27_8_eq_1 & ~w269;
    fetch_ahead(c, 3);
    u64 w388 = w_ethertype_eq_34525 & w_event_at_18_8_in_96_111 & ~w_captured_lt_58 & w_captured_lt_62 & w_ext1_kind_eq_58 & ~w318;
    u64 w_captured_lt_l4_plus_1 = 0, w_l4_at_0_8_in_128_129 = 0;
    if (w_ethertype_eq_34525 & w_event_at_18_8_in_96_111 & ~w_captured_lt_58 & ~w_captured_lt_62 & w_ext1_kind_eq_58 & ~w316 & ~w317) {
        w_captured_lt_l4_plus_1 = ltk_u8(after_l4, 1);
        take_u32_u8(l4_at_0_8, raw_l4_at_0_8, ~w_captured_lt_l4_plus_1, 0x80808000u, 0, 0, (u8)255u);
        w_l4_at_0_8_in_128_129 = rangek_u8(l4_at_0_8, (u8)128u, (u8)1u);
    }
    u64 w393 = w_ethertype_eq_34525 & w_event_at_18_8_in_96_111 & ~w_captured_lt_58 & w_captured_lt_66 & w_ext1_kind_eq_58 & w_l4_at_0_8_in_128_129 & ~w389 & ~w71;
    u64 w335 = 0, w338 = 0, w369 = 0, w382 = 0, w391 = 0, w_frame_len_lt_event_at_22_16_plus_58 = 0, w295 = 0, w_frame_len_lt_65535 = 0, w450 = 0, w394 = 0, w452 = 0, w_ext1_kind_bit_5 = 0, w430 = 0;
    if (~w184 & ~w386 & ~w445 & ~w447 & ~w449) {
        w335 = w_has_l4 & w201 & w229;
        w338 = w_has_l4 & w253 & w272;
        w369 = w_has_l4 & w345 & w367;
        w382 = w_ethertype_eq_2048 & w_event_at_18_8_in_64_79 & ~w_ip_words_lt_5 & w_ip_frag_offset_eq_0 & ~w189 & w269 & w_event_at_27_8_eq_1;
        w391 = w_ethertype_eq_34525 & w_event_at_18_8_in_96_111 & ~w_captured_lt_58 & w71 & w_ext1_kind_eq_58 & w_l4_at_0_8_in_128_129 & ~w389;
        w_frame_len_lt_event_at_22_16_plus_58 = lt_u32(frame_len_u32, event_at_22_16_plus_58);
        w295 = ~w_event_at_22_16_eq_0 & ~w_ip & w_frame_len_lt_event_at_22_16_plus_58;
        w_frame_len_lt_65535 = ltk_u16(c->size, (u16)0xffffu /* 65535 */);
        w450 = w_ext2_passed | w_ip;
        w394 = w336 | w339 | w376 | w384 | w388 | w393;
        w452 = ~w_captured_lt_frame_len & w394;
        w_ext1_kind_bit_5 = testk_u8(ext1_kind, (u8)32u);
        w430 = w_ethertype_eq_2048 & w_event_at_18_8_in_64_79 & ~w_ip_words_lt_5 & w_ext1_kind_bit_5;
    }
    u64 w_frame_len_lt_ethertype_3_plus_18 = 0;
    if ((w_ethertype_eq_2048 & w_event_at_18_8_in_64_79 & ~w_ip_words_lt_5) && (~w184 & ~w386 & ~w445 & ~w447 & ~w449)) {
        w_frame_len_lt_ethertype_3_plus_18 = lt_u32(frame_len_u32, ethertype_3_plus_18);
    }
    u64 w294 = 0, w296 = 0, w451 = 0;
    if (~w184 & ~w386 & ~w445 & ~w447 & ~w449) {
        w294 = w_ethertype_eq_2048 & w_event_at_18_8_in_64_79 & ~w_ip_words_lt_5 & ~w_ethertype_3_eq_0 & w_frame_len_lt_ethertype_3_plus_18;
        w296 = w294 | w295;
        w451 = w296 & w_frame_len_lt_65535 & w450;
    }
    u64 w_captured_lt_l4_plus_6 = 0, w_udp_length_eq_0 = 0;
    if ((~w184 & ~w335 & ~w338 & ~w369 & ~w382 & ~w386 & ~w391 & ~w445 & ~w447 & ~w449 & ~w451) && (w253 & ~w430)) {
        w_captured_lt_l4_plus_6 = ltk_u8(after_l4, 6);
        take_u32_u16(udp_length, raw_udp_length, ~w_captured_lt_l4_plus_6, 0x80800001u, 1, 16, (u16)0xffffu);
        w_udp_length_eq_0 = eqk_u16(udp_length, (u16)0u);
    }
    u64 w_frame_len_lt_tcp_payload = 0, w480 = 0, w_event_at_22_16_plus_58_lt_tcp_payload = 0, w481 = 0, w482 = 0, w484 = 0;
    if (w_has_l4 & w201 & ~w210 & ~w211 & ~w227 & ~w228 & ~w_tcp_hdr_len_lt_20) {
        w_frame_len_lt_tcp_payload = lt_u16(c->size, tcp_payload_u16);
        w480 = w_event_at_22_16_eq_0 & w_frame_len_lt_tcp_payload;
        w_event_at_22_16_plus_58_lt_tcp_payload = lt_u32(event_at_22_16_plus_58, tcp_payload_u32);
        w481 = ~w_event_at_22_16_eq_0 & w_event_at_22_16_plus_58_lt_tcp_payload;
        w482 = w480 | w481;
        w484 = ~w_ip & w482;
    }
    u64 w475 = 0, w_ethertype_3_plus_18_lt_tcp_payload = 0, w476 = 0, w477 = 0;
    if ((w_ethertype_eq_2048 & w_event_at_18_8_in_64_79 & ~w_ip_words_lt_5) && (w_has_l4 & w201 & ~w210 & ~w211 & ~w227 & ~w228 & ~w_tcp_hdr_len_lt_20)) {
        w475 = w_ethertype_3_eq_0 & w_frame_len_lt_tcp_payload;
        w_ethertype_3_plus_18_lt_tcp_payload = lt_u32(ethertype_3_plus_18, tcp_payload_u32);
        w476 = ~w_ethertype_3_eq_0 & w_ethertype_3_plus_18_lt_tcp_payload;
        w477 = w475 | w476;
    }
    u64 w483 = 0, w485 = 0;
    if (w_has_l4 & w201 & ~w210 & ~w211 & ~w227 & ~w228 & ~w_tcp_hdr_len_lt_20) {
        w483 = w_ethertype_eq_2048 & w_event_at_18_8_in_64_79 & ~w_ip_words_lt_5 & w477;
        w485 = w483 | w484;
    }
    u64 w_tcp_sound = 0;
    if ((~w184 & ~w386 & ~w445 & ~w447 & ~w449) && (w201)) {
        w_tcp_sound = w_has_l4 & w201 & ~w230 & ~w_tcp_hdr_len_lt_20 & ~w485;
    }
    u64 w489 = 0;
    if (~w184 & ~w386 & ~w445 & ~w447 & ~w449) {
        w489 = w_has_l4 & w201 & ~w230 & ~w_tcp_sound;
    }
    u64 w_udp_length_lt_8 = 0, w_frame_len_lt_l4_plus_udp_length = 0, w419 = 0, w_event_at_22_16_plus_58_lt_l4_plus_udp_length = 0, w420 = 0, w421 = 0, w423 = 0;
    if ((~w184 & ~w335 & ~w338 & ~w369 & ~w382 & ~w386 & ~w391 & ~w445 & ~w447 & ~w449 & ~w451) && (w_has_l4 & w253 & ~w259 & ~w260 & ~w270 & ~w271 & ~w_udp_length_eq_0 & ~w430)) {
        w_udp_length_lt_8 = ltk_u16(udp_length, (u16)8u);
        EACH l4_plus_udp_length[i] = (u32)((u32)l4[i] + (u32)udp_length[i]);
        w_frame_len_lt_l4_plus_udp_length = lt_u32(frame_len_u32, l4_plus_udp_length);
        w419 = w_event_at_22_16_eq_0 & w_frame_len_lt_l4_plus_udp_length;
        w_event_at_22_16_plus_58_lt_l4_plus_udp_length = lt_u32(event_at_22_16_plus_58, l4_plus_udp_length);
        w420 = ~w_event_at_22_16_eq_0 & w_event_at_22_16_plus_58_lt_l4_plus_udp_length;
        w421 = w419 | w420;
        w423 = ~w_ip & w421;
    }
    u64 w414 = 0, w_ethertype_3_plus_18_lt_l4_plus_udp_length = 0, w415 = 0, w416 = 0;
    if ((w_ethertype_eq_2048 & w_event_at_18_8_in_64_79 & ~w_ip_words_lt_5) && (~w184 & ~w335 & ~w338 & ~w369 & ~w382 & ~w386 & ~w391 & ~w445 & ~w447 & ~w449 & ~w451) && (w_has_l4 & w253 & ~w259 & ~w260 & ~w270 & ~w271 & ~w_udp_length_eq_0 & ~w430)) {
        w414 = w_ethertype_3_eq_0 & w_frame_len_lt_l4_plus_udp_length;
        w_ethertype_3_plus_18_lt_l4_plus_udp_length = lt_u32(ethertype_3_plus_18, l4_plus_udp_length);
        w415 = ~w_ethertype_3_eq_0 & w_ethertype_3_plus_18_lt_l4_plus_udp_length;
        w416 = w414 | w415;
    }
    u64 w422 = 0, w425 = 0;
    if ((~w184 & ~w335 & ~w338 & ~w369 & ~w382 & ~w386 & ~w391 & ~w445 & ~w447 & ~w449 & ~w451) && (w_has_l4 & w253 & ~w259 & ~w260 & ~w270 & ~w271 & ~w_udp_length_eq_0 & ~w430)) {
        w422 = w_ethertype_eq_2048 & w_event_at_18_8_in_64_79 & ~w_ip_words_lt_5 & w416;
        w425 = w_udp_length_lt_8 | w422 | w423;
    }
    u64 w491 = 0;
    if (~w184 & ~w335 & ~w338 & ~w369 & ~w382 & ~w386 & ~w391 & ~w445 & ~w447 & ~w449 & ~w451) {
        w491 = w_has_l4 & w253 & ~w273 & ~w_udp_length_eq_0 & w425 & ~w430;
    }
    u64 w494 = w184 | w335 | w338 | w369 | w382 | w386 | w391 | w445 | w447 | w449 | w451 | w452 | w489 | w491;
    c->chunk->malformed = w494 & c->live;
    u64 w497 = w_has_l4 & w201 & ~w230 & ~w_tcp_hdr_len_lt_20 & ~w485 & w_captured_lt_tcp_payload;
    u64 w498 = w336 | w339 | w376 | w384 | w388 | w393 | w433 | w443 | w497;
    u64 w499 = w_captured_lt_frame_len & w498;
    c->chunk->truncated = w499 & c->live;
}

/* The shape's program; the chunk's strays are not in c->live. */
static void run_shape(struct columns *restrict c, uint64_t more)
{
    locate(c, more);
    if (c->second) {
        second_0(c);
        return;
    }
    shape_0(c);
}

static void run_general(struct columns *restrict c, unsigned n, uint64_t more)
{
    fetch(c, n, more);
    stage_0(c);
}

/* ---- Strays: decided together, ahead of the chunks that they belong to ------------------------------------------- */

struct strays {
    u64 of[GROUP]; /* by chunk */
    unsigned chunks, chunk, decided; /* chunks that were looked at, the next one, and strays of those before it */
    uint32_t entries;
    sm_chunk said;
    sm_event events[LANES];
    uint16_t ports[LANES];
    uint32_t place[RULES + 1]; /* of a rule among the entries of a chunk, if that entry is of the rule */
    sm_fired fired[FIRED_MAX + 1];
};
static _Thread_local struct strays strays;

/* Looks at chunks from this one on, and decides their strays. Returns the chunks: none if this one has too many. */
static __attribute__((noinline)) unsigned look_ahead(struct columns *c, uint64_t more)
{
    const struct { const sm_event *events; sm_chunk *chunk; sm_fired *fired; u64 live; } kept = {
        c->events, c->chunk, c->fired, c->live};
    unsigned count = 0;
    strays.chunks = strays.chunk = strays.decided = 0;
    c->looking = ALL;
    for (; strays.chunks < GROUP && more >= LANES; strays.chunks++, more -= LANES, c->events += LANES) {
        locate(c, more);
        (c->second ? second_0 : shape_0)(c);
        const unsigned found = (unsigned)__builtin_popcountll(c->strays);
        if (found > STRAYS_MAX || count + found > LANES)
            break;
        strays.of[strays.chunks] = c->strays;
        for (u64 left = c->strays; left; left &= left - 1)
            strays.events[count++] = c->events[__builtin_ctzll(left)];
    }
    c->looking = 0;
    if (count) {
        c->events = strays.events;
        c->chunk = &strays.said;
        c->fired = strays.fired;
        c->live = ALL >> (LANES - count);
        run_general(c, count, count);
        strays.entries = (uint32_t)(c->fired - strays.fired);
    }
    c->events = kept.events;
    c->chunk = kept.chunk;
    c->fired = kept.fired;
    c->live = kept.live;
    return strays.chunks;
}

/* Answers of strays, in their order, to the lanes that they are of. */
INLINE u64 spread(u64 answers, u64 lanes)
{
    u64 out = 0;
    for (; lanes; lanes &= lanes - 1, answers >>= 1)
        if (answers & 1)
            out |= lanes & -lanes;
    return out;
}

/* Adds what was said of a chunk's strays. ``first`` is the chunk's first entry; a rule has one at most. */
static __attribute__((noinline)) void add_strays(struct columns *c, sm_fired *first, u64 lanes)
{
    const unsigned from = strays.decided;
    c->chunk->malformed |= spread(strays.said.malformed >> from, lanes);
    c->chunk->truncated |= spread(strays.said.truncated >> from, lanes);
    c->chunk->punt |= spread(strays.said.punt >> from, lanes);
    uint32_t count = (uint32_t)(c->fired - first);
    for (uint32_t k = 0; k < count; k++)
        strays.place[first[k].rule] = k;
    for (uint32_t k = 0; k < strays.entries; k++) {
        const sm_fired *entry = strays.fired + k;
        const u64 events = spread(entry->events >> from, lanes);
        const uint32_t place = strays.place[entry->rule];
        if (events && place < count && first[place].rule == entry->rule)
            first[place].events |= events;
        else if (events)
            first[count++] = (sm_fired){events, entry->rule, 0};
    }
    c->fired = first + count;
    strays.decided = from + (unsigned)__builtin_popcountll(lanes);
}

/* Decides a chunk of n events; from its first one on there are ``more``. ``ahead``: chunks from it on whose strays are
   decided. */
static void decide(struct columns *restrict c, unsigned n, uint64_t more)
{
    if (!c->ahead && !c->skip && n == LANES) {
        run_shape(c, more);
        if (!c->strays) {
            COUNT(0);
            if (c->second)
                COUNT(3);
            c->pause = 0;
            return;
        }
        c->ahead = look_ahead(c, more);
        if (!c->ahead) {
            c->second ^= 1;
            c->ahead = look_ahead(c, more);
            c->second ^= !c->ahead;
        }
        c->pause = c->ahead ? 0 : c->pause < PAUSE_MAX ? 2 * c->pause + 1 : PAUSE_MAX;
        c->skip = c->pause;
    } else if (c->skip)
        c->skip--;
    if (!c->ahead) {
        COUNT(2);
        run_general(c, n, more);
        return;
    }
    sm_fired *const first = c->fired;
    const u64 lanes = strays.of[strays.chunk++];
    c->ahead--;
    c->live &= ~lanes;
    run_shape(c, more);
    COUNT(1);
    if (c->second)
        COUNT(3);
    if (lanes)
        add_strays(c, first, lanes);
}

/* ---- Interface -------------------------------------------------------------------------------------------------- */

#define EXPORT __attribute__((visibility("default")))

EXPORT extern const struct sm_info sm_info;
const struct sm_info sm_info = {SM_ABI, RULES, FIRED_MAX, 0, 1, 0, LEVEL, 0, "8eefb2c229d69bb792f1088d3f08f30fc2097bf226b4624473178cde8d101ec7"};

#ifdef SM_SEVERAL
EXPORT void sm_fill(void);
void sm_fill(void)
{
}
#endif

EXPORT sm_match_function sm_match;
uint64_t sm_match(const uint8_t *buffer, const sm_event *events, uint64_t n, const sm_context *context,
                  sm_chunk *chunks, sm_fired *fired, uint64_t room, uint16_t *ports)
{
    /* Per thread, so that it need not be cleared for each call: what a region skips is read, and ignored. */
    static _Thread_local struct columns columns;
    struct columns *restrict c = &columns;
    __asm__("" : "+r"(c)); /* asked for once: gcc would ask for it again wherever it knows which one it is */
    uint64_t done = 0;
    c->tables = context->tables;
    (void)ports;
    c->buffer = buffer;
    c->fired = fired;
    c->looking = c->ahead = 0;
    for (; done < n && room >= sm_info.fired_max; done += LANES) {
        const unsigned count = n - done < LANES ? (unsigned)(n - done) : LANES;
        const sm_fired *first = c->fired;
        c->events = events + done;
        c->chunk = chunks + done / LANES;
        c->live = ALL >> (LANES - count);
        decide(c, count, n - done);
        c->chunk->fired = (uint32_t)(c->fired - first);
        c->chunk->reserved = 0;
        room -= c->chunk->fired;
    }
    return done < n ? done : n;
}

EXPORT uint64_t sm_state_bytes(uint32_t state);
uint64_t sm_state_bytes(uint32_t state)
{
    return (void)state, 0;
}
