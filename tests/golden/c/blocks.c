/* Match engine of the Plan blocks. Generated; the Plan is the source.
   structure ee6ade1fa4b468728f7a147a12dcf295fb68743d6e53705cf36d19cb3439466f
   5 rules, 22 loads, 275 statements.

   64 events at a time: a field is a column of 64 values, a condition is a word of 64 bits. Bytes are gathered from
   the packets one header at a time; everything else works on whole columns. What counts only under a condition that
   holds for no event of the 64 is skipped. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "sm_boundary.h"
#include "engine_lanes.h"

/* ==== From here on for this Plan ================================================================================= */

#define RULES 5
#define FIRED_MAX 5 /* entries of sm_fired that 64 events can need */

/* ---- Tables of constants ---------------------------------------------------------------------------------------- */

static const u16 types_1_low[3] = {
    (u16)0x8100u, (u16)0x88a8u, (u16)0x9100u,
};

static const u16 types_1_span[3] = {
    (u16)0u, (u16)0u, (u16)0u,
};

static const u16 types_2_low[3] = {
    (u16)0x8100u, (u16)0x88a8u, (u16)0x9100u,
};

static const u16 types_2_span[3] = {
    (u16)0u, (u16)0u, (u16)0u,
};

static const u8 l3_at_6_8_low[4] = {
    (u8)0u, (u8)43u, (u8)51u, (u8)60u,
};

static const u8 l3_at_6_8_span[4] = {
    (u8)0u, (u8)1u, (u8)0u, (u8)0u,
};

static const u8 ip6_ext1_next_kind_low[4] = {
    (u8)0u, (u8)43u, (u8)51u, (u8)60u,
};

static const u8 ip6_ext1_next_kind_span[4] = {
    (u8)0u, (u8)1u, (u8)0u, (u8)0u,
};

static const u32 ip_dst_low[2] = {
    0xa000000u, 0xc0a80101u,
};

static const u32 ip_dst_span[2] = {
    0xffffffu, 0u,
};

static const u16 types_3_low[3] = {
    (u16)0x8100u, (u16)0x88a8u, (u16)0x9100u,
};

static const u16 types_3_span[3] = {
    (u16)0u, (u16)0u, (u16)0u,
};

static const u8 ip6_ext2_next_kind_low[4] = {
    (u8)0u, (u8)43u, (u8)51u, (u8)60u,
};

static const u8 ip6_ext2_next_kind_span[4] = {
    (u8)0u, (u8)1u, (u8)0u, (u8)0u,
};


/* ---- Columns: what is known of 64 events ------------------------------------------------------------------------ */

#define SLOT 64u /* bytes that stand in for those of an event that ends too early */
typedef u16 captured_t;
#define CAPTURED 65535u /* captured bytes are counted up to this; the rules cannot tell more */
struct columns {
    captured_t captured[LANES] ALIGNED;
    u16 size[LANES] ALIGNED; /* bytes on the wire */
    uintptr_t at[LANES] ALIGNED; /* where the event's bytes are */
    u8 u8_[8][LANES] ALIGNED;
    u16 u16_[8][LANES] ALIGNED;
    u32 u32_[8][LANES] ALIGNED;
    u64 live; /* lanes with an event to decide */
    u64 free; /* events that no rule of the block has taken */
    sm_chunk *chunk;
    sm_fired *fired; /* the next entry */
    const u8 *buffer;
    const sm_event *events;
    unsigned last; /* the lanes after it repeat it */
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
    c->at[i] = (uintptr_t)bytes - from;
}

/* After that. */
INLINE void lead_back(struct columns *restrict c, u64 moved)
{
    for (; moved; moved &= moved - 1) {
        unsigned i = (unsigned)__builtin_ctzll(moved);
        c->at[i] = (uintptr_t)(c->buffer + c->events[i < c->last ? i : c->last].offset);
    }
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
static void fetch(struct columns *restrict c, unsigned n, uint64_t more)
{
    u16 *const types_1 = c->u16_[0];
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
        types_1[i] = get_u16(p + 12);
    }
    for (unsigned i = n; i < LANES; i++) {
        c->at[i] = c->at[last];
        c->captured[i] = c->captured[last];
        c->size[i] = c->size[last];
        types_1[i] = types_1[last];
    }
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
    u8 *const v23 = c->u8_[0], *const l3 = c->u8_[1], *const l3_at_9_8 = c->u8_[0];
    u8 *const after_l3 = c->u8_[2], *const l3_at_0_8 = c->u8_[3], *const l3_at_6_8 = c->u8_[4];
    u8 *const l3_at_0_8_bits_4_7 = c->u8_[5], *const ip6_ext1_offset = c->u8_[6], *const l3_plus_48 = c->u8_[7];
    u8 *const l3_at_41_8 = c->u8_[7], *const l3_at_40_8 = c->u8_[7], *const after_ip6_ext1_next_offset = c->u8_[6];
    u8 *const ip_words = c->u8_[5], *const l3_at_43_8 = c->u8_[3], *const ip6_ext1_next_kind = c->u8_[3];
    u8 *const ip6_ext1_next_offset_at_1_8 = c->u8_[7], *const ip6_ext1_next_offset_at_0_8 = c->u8_[7], *const ip_words_times_4 = c->u8_[2];
    u8 *const ip_l4 = c->u8_[5], *const after_l4_base = c->u8_[4], *const ip6_ext2_next_kind = c->u8_[5];
    u8 *const l4_kind = c->u8_[3], *const ip6_ext1_next_offset_at_3_8 = c->u8_[6], *const l4_base_at_12_8 = c->u8_[6];
    u8 *const l4_base_at_12_8_bits_4_7 = c->u8_[3], *const tcp_header = c->u8_[6];
    u16 *const types_1 = c->u16_[0], *const types_2 = c->u16_[1], *const l3_at_4_16 = c->u16_[2];
    u16 *const v19 = c->u16_[3], *const types_3 = c->u16_[0], *const ethertype = c->u16_[1];
    u16 *const ip6_end = c->u16_[2], *const l3_plus_48_u16 = c->u16_[3], *const l3_at_41_8_plus_2 = c->u16_[3];
    u16 *const l3_at_41_8_plus_2_times_4 = c->u16_[0], *const l3_at_41_8_plus_1 = c->u16_[3], *const l3_at_41_8_plus_1_times_8 = c->u16_[4];
    u16 *const v71 = c->u16_[3], *const ip6_ext1_length = c->u16_[4], *const ip6_ext1_after = c->u16_[3];
    u16 *const ip6_ext1_offset_u16 = c->u16_[4], *const ip6_ext1_next_offset = c->u16_[0], *const raw_l3_at_42_16 = c->u16_[4];
    u16 *const l3_at_42_16 = c->u16_[3], *const ip6_ext1_fragment_offset = c->u16_[4], *const ip6_ext1_next_offset_plus_8 = c->u16_[4];
    u16 *const ip6_ext1_next_offset_at_1_8_plus_2 = c->u16_[3], *const ip6_ext1_next_offset_at_1_8_plus_2_times_4 = c->u16_[5], *const ip6_ext1_next_offset_at_1_8_plus_1 = c->u16_[3];
    u16 *const ip6_ext1_next_offset_at_1_8_plus_1_times_8 = c->u16_[6], *const v119 = c->u16_[3], *const ip6_ext2_length = c->u16_[6];
    u16 *const ip6_ext2_after = c->u16_[3], *const ip6_ext2_next_offset = c->u16_[2], *const l3_at_6_16 = c->u16_[3];
    u16 *const ip_total = c->u16_[6], *const ip_l4_u16 = c->u16_[5], *const ip_fragment = c->u16_[7];
    u16 *const l4_base = c->u16_[6], *const ip6_ext1_next_offset_at_2_16 = c->u16_[2], *const ip6_ext2_fragment_offset = c->u16_[7];
    u16 *const l4_end = c->u16_[7], *const l4_base_plus_20 = c->u16_[5], *const tcp_dstport = c->u16_[2];
    u16 *const l4_base_plus_8 = c->u16_[2], *const l4_base_plus_12 = c->u16_[2], *const l4_base_plus_4 = c->u16_[1];
    u16 *const tcp_payload = c->u16_[0], *const udp_length = c->u16_[0];
    u32 *const event_at_300_32 = c->u32_[0], *const raw_l3_at_0_8 = c->u32_[1], *const raw_l3_at_4_16 = c->u32_[2];
    u32 *const ip_dst = c->u32_[3], *const ip6_ext1_offset_plus_l3_at_4_16 = c->u32_[4], *const frame_len_u32 = c->u32_[5];
    u32 *const ip6_declared = c->u32_[6], *const captured_u32 = c->u32_[4], *const v51 = c->u32_[7];
    u32 *const l3_plus_48_u32 = c->u32_[7], *const ip6_ext1_after_u32 = c->u32_[7], *const ip6_ext2_after_u32 = c->u32_[7];
    u32 *const l3_plus_ip_total = c->u32_[1], *const ip_declared = c->u32_[2], *const ip_l4_u32 = c->u32_[3];
    u32 *const declared = c->u32_[3], *const v184 = c->u32_[2], *const l4_base_plus_20_u32 = c->u32_[0];
    u32 *const l4_base_plus_8_u32 = c->u32_[0], *const l4_base_plus_12_u32 = c->u32_[0], *const l4_base_plus_4_u32 = c->u32_[0];
    u32 *const ip6_ext1_next_offset_plus_8_u32 = c->u32_[0], *const tcp_payload_u32 = c->u32_[0], *const l4_base_plus_udp_length = c->u32_[5];
    u64 moved;
    moved = reach(c, 300, 304);
    EACH { /* gather */
        const u8 *p = (const u8 *)(c->at[i]);
        event_at_300_32[i] = get_u32(p + 300);
    }
    lead_back(c, moved);
    u64 w_captured_lt_14 = ltk_u16(c->captured, (u16)14u);
    settle_u16(types_1, ~w_captured_lt_14, 1, 0, (u16)0xffffu);
    u64 w_captured_lt_304 = ltk_u16(c->captured, (u16)304u);
    settle_u32(event_at_300_32, ~w_captured_lt_304, 1, 0, 0xffffffffu);
    u64 w_captured_lt_18 = ltk_u16(c->captured, (u16)18u);
    u64 w_captured_lt_22 = ltk_u16(c->captured, (u16)22u);
    u64 w_types_1_in_33024_34984_37120 = in_ranges_u16(types_1, types_1_low, types_1_span, 3);
    u64 w_types_2_in_33024_34984_37120 = 0;
    if (~w_captured_lt_14 & ~w_captured_lt_18 & w_types_1_in_33024_34984_37120) {
        moved = reach(c, 16, 18);
        EACH { /* gather */
            const u8 *p = (const u8 *)(c->at[i]);
            types_2[i] = get_u16(p + 16);
        }
        lead_back(c, moved);
        settle_u16(types_2, ~w_captured_lt_18, 1, 0, (u16)0xffffu);
        w_types_2_in_33024_34984_37120 = in_ranges_u16(types_2, types_2_low, types_2_span, 3);
    }
    u64 w_tags_2 = ~w_captured_lt_14 & ~w_captured_lt_18 & ~w_captured_lt_22 & w_types_1_in_33024_34984_37120 & w_types_2_in_33024_34984_37120;
    u64 w_tags_1 = ~w_captured_lt_14 & ~w_captured_lt_18 & w_types_1_in_33024_34984_37120;
    muxkk_u8(v23, w_tags_1, (u8)18u, (u8)14u);
    muxkc_u8(l3, w_tags_2, (u8)22u, v23);
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
    take_u32_u8(l3_at_6_8, raw_l3_at_4_16, ~w_captured_lt_l3_plus_7, 0x80808002u, 0, 16, (u8)255u);
    u64 w_captured_lt_l3_plus_6 = ltk_u8(after_l3, 6);
    take_u32_u16(l3_at_4_16, raw_l3_at_4_16, ~w_captured_lt_l3_plus_6, 0x80800001u, 1, 16, (u16)0xffffu);
    u64 w_captured_lt_l3_plus_8 = ltk_u8(after_l3, 8);
    u64 w_captured_lt_l3_plus_20 = ltk_u8(after_l3, 20);
    muxcc_u16(v19, w_tags_1, types_2, types_1);
    u64 w_types_3_in_33024_34984_37120 = 0;
    if (~w_captured_lt_14 & ~w_captured_lt_18 & ~w_captured_lt_22 & w_types_1_in_33024_34984_37120 & w_types_2_in_33024_34984_37120) {
        moved = reach(c, 20, 22);
        EACH { /* gather */
            const u8 *p = (const u8 *)(c->at[i]);
            types_3[i] = get_u16(p + 20);
        }
        lead_back(c, moved);
        settle_u16(types_3, ~w_captured_lt_22, 1, 0, (u16)0xffffu);
        w_types_3_in_33024_34984_37120 = in_ranges_u16(types_3, types_3_low, types_3_span, 3);
    }
    muxcc_u16(ethertype, w_tags_2, types_3, v19);
    u64 w_ethertype_eq_34525 = eqk_u16(ethertype, (u16)0x86ddu /* 34525 */);
    u64 w_captured_lt_ip6_ext1_offset = ltk_u8(after_l3, 40);
    EACH l3_at_0_8_bits_4_7[i] = (u8)((l3_at_0_8[i] >> 4));
    u64 w_ip6_sound = eqk_u8(l3_at_0_8_bits_4_7, (u8)6u);
    u64 w_l3_at_4_16_eq_0 = eqk_u16(l3_at_4_16, (u16)0u);
    EACH ip6_ext1_offset[i] = (u8)((u32)l3[i] + 40u);
    EACH ip6_ext1_offset_plus_l3_at_4_16[i] = (u32)((u32)ip6_ext1_offset[i] + (u32)l3_at_4_16[i]);
    EACH frame_len_u32[i] = (u32)c->size[i];
    muxcc_u32(ip6_declared, w_l3_at_4_16_eq_0, frame_len_u32, ip6_ext1_offset_plus_l3_at_4_16);
    EACH captured_u32[i] = (u32)c->captured[i];
    u64 w_captured_lt_ip6_declared = lt_u32(captured_u32, ip6_declared);
    muxcc_u32(v51, w_captured_lt_ip6_declared, captured_u32, ip6_declared);
    EACH ip6_end[i] = (u16)((u32)v51[i] & 0xffffu);
    u64 w_l3_at_6_8_eq_44 = eqk_u8(l3_at_6_8, (u8)44u);
    u64 w_l3_at_6_8_in_0_43_44_51_60 = 0, w_ip6_end_lt_l3_plus_48 = 0, w_ip6_ext1_is_extension = 0, w_ip6_declared_lt_l3_plus_48 = 0, w_captured_lt_l3_plus_48 = 0;
    if (~w_captured_lt_14 & w_ethertype_eq_34525 & ~w_captured_lt_ip6_ext1_offset & w_ip6_sound) {
        w_l3_at_6_8_in_0_43_44_51_60 = in_ranges_u8(l3_at_6_8, l3_at_6_8_low, l3_at_6_8_span, 4);
        EACH l3_plus_48[i] = (u8)((u32)l3[i] + 48u);
        EACH l3_plus_48_u16[i] = (u16)l3_plus_48[i];
        w_ip6_end_lt_l3_plus_48 = lt_u16(ip6_end, l3_plus_48_u16);
        w_ip6_ext1_is_extension = ~w_captured_lt_14 & w_ethertype_eq_34525 & ~w_captured_lt_ip6_ext1_offset & w_ip6_sound & w_l3_at_6_8_in_0_43_44_51_60;
        EACH l3_plus_48_u32[i] = (u32)l3_plus_48[i];
        w_ip6_declared_lt_l3_plus_48 = lt_u32(ip6_declared, l3_plus_48_u32);
        w_captured_lt_l3_plus_48 = ltk_u8(after_l3, 48);
    }
    u64 w_captured_lt_l3_plus_42 = 0, w_l3_at_6_8_eq_51 = 0;
    if ((~w_captured_lt_14 & w_ethertype_eq_34525 & ~w_captured_lt_ip6_ext1_offset & w_ip6_sound & w_l3_at_6_8_in_0_43_44_51_60) && (~w_l3_at_6_8_eq_44)) {
        moved = reach_u8(c, l3, 41, 42);
        EACH { /* gather */
            const u8 *p = (const u8 *)(c->at[i] + l3[i]);
            l3_at_41_8[i] = get_u8(p + 41);
        }
        lead_back(c, moved);
        w_captured_lt_l3_plus_42 = ltk_u8(after_l3, 42);
        settle_u8(l3_at_41_8, ~w_captured_lt_l3_plus_42, 0, 0, (u8)255u);
        w_l3_at_6_8_eq_51 = eqk_u8(l3_at_6_8, (u8)51u);
        EACH l3_at_41_8_plus_2[i] = (u16)((u32)l3_at_41_8[i] + 2u);
        EACH l3_at_41_8_plus_2_times_4[i] = (u16)((u32)l3_at_41_8_plus_2[i] * 4u);
        EACH l3_at_41_8_plus_1[i] = (u16)((u32)l3_at_41_8[i] + 1u);
        EACH l3_at_41_8_plus_1_times_8[i] = (u16)((u32)l3_at_41_8_plus_1[i] * 8u);
        muxcc_u16(v71, w_l3_at_6_8_eq_51, l3_at_41_8_plus_2_times_4, l3_at_41_8_plus_1_times_8);
    }
    u64 w_ip6_declared_lt_ip6_ext1_after = 0, w86 = 0, w_ip6_ext1_past_declared = 0;
    if (~w_captured_lt_14 & w_ethertype_eq_34525 & ~w_captured_lt_ip6_ext1_offset & w_ip6_sound & w_l3_at_6_8_in_0_43_44_51_60) {
        muxkc_u16(ip6_ext1_length, w_l3_at_6_8_eq_44, (u16)8u, v71);
        EACH ip6_ext1_after[i] = (u16)((u32)ip6_ext1_offset[i] + (u32)ip6_ext1_length[i]);
        EACH ip6_ext1_after_u32[i] = (u32)ip6_ext1_after[i];
        w_ip6_declared_lt_ip6_ext1_after = lt_u32(ip6_declared, ip6_ext1_after_u32);
        w86 = ~w_captured_lt_l3_plus_48 & w_ip6_declared_lt_ip6_ext1_after;
        w_ip6_ext1_past_declared = w_ip6_declared_lt_l3_plus_48 | w86;
    }
    u64 w_captured_lt_l3_plus_41 = 0, w_ip6_end_lt_ip6_ext1_after = 0;
    if (~w_captured_lt_14 & w_ethertype_eq_34525 & ~w_captured_lt_ip6_ext1_offset & w_ip6_sound & w_l3_at_6_8_in_0_43_44_51_60 & ~w_ip6_end_lt_l3_plus_48) {
        moved = reach_u8(c, l3, 40, 41);
        EACH { /* gather */
            const u8 *p = (const u8 *)(c->at[i] + l3[i]);
            l3_at_40_8[i] = get_u8(p + 40);
        }
        lead_back(c, moved);
        w_captured_lt_l3_plus_41 = ltk_u8(after_l3, 41);
        settle_u8(l3_at_40_8, ~w_captured_lt_l3_plus_41, 0, 0, (u8)255u);
        w_ip6_end_lt_ip6_ext1_after = lt_u16(ip6_end, ip6_ext1_after);
    }
    u64 w_ip6_ext1_whole = ~w_captured_lt_14 & w_ethertype_eq_34525 & ~w_captured_lt_ip6_ext1_offset & w_ip6_sound & w_l3_at_6_8_in_0_43_44_51_60 & ~w_ip6_end_lt_l3_plus_48 & ~w_ip6_end_lt_ip6_ext1_after;
    EACH ip6_ext1_offset_u16[i] = (u16)ip6_ext1_offset[i];
    muxcc_u16(ip6_ext1_next_offset, w_ip6_ext1_whole, ip6_ext1_after, ip6_ext1_offset_u16);
    room_u16(after_ip6_ext1_next_offset, c->captured, ip6_ext1_next_offset);
    u64 w_ethertype_eq_2048 = eqk_u16(ethertype, (u16)0x800u /* 2048 */);
    u64 w_l3_at_0_8_bits_4_7_eq_4 = eqk_u8(l3_at_0_8_bits_4_7, (u8)4u);
    EACH ip_words[i] = (u8)((u32)l3_at_0_8[i] & 15u);
    u64 w_ip_words_lt_5 = ltk_u8(ip_words, (u8)5u);
    u64 w_ip = ~w_captured_lt_14 & w_ethertype_eq_2048 & ~w_captured_lt_l3_plus_20 & w_l3_at_0_8_bits_4_7_eq_4 & ~w_ip_words_lt_5;
    u64 w97 = ~w_captured_lt_14 & w_ethertype_eq_34525 & ~w_captured_lt_ip6_ext1_offset & w_ip6_sound & ~w_ip6_ext1_is_extension;
    u64 w98 = w_ip6_ext1_whole | w97;
    u64 w_captured_lt_l3_plus_44 = 0, w_ip6_ext1_fragment_offset_eq_0 = 0, w_l3_at_43_8_bit_0 = 0;
    if (~w_captured_lt_14 & w_ethertype_eq_34525 & ~w_captured_lt_ip6_ext1_offset & w_ip6_sound & w_l3_at_6_8_eq_44) {
        moved = reach_u8(c, l3, 42, 44);
        EACH { /* gather */
            const u8 *p = (const u8 *)(c->at[i] + l3[i]);
            raw_l3_at_42_16[i] = get_u16(p + 42);
        }
        lead_back(c, moved);
        w_captured_lt_l3_plus_44 = ltk_u8(after_l3, 44);
        take_u16_u16(l3_at_42_16, raw_l3_at_42_16, ~w_captured_lt_l3_plus_44, (u16)1u, 1, 0, (u16)0xffffu);
        take_u16_u8(l3_at_43_8, raw_l3_at_42_16, ~w_captured_lt_l3_plus_44, (u16)0x8001u, 0, 8, (u8)255u);
        EACH ip6_ext1_fragment_offset[i] = (u16)((l3_at_42_16[i] >> 3));
        w_ip6_ext1_fragment_offset_eq_0 = eqk_u16(ip6_ext1_fragment_offset, (u16)0u);
        w_l3_at_43_8_bit_0 = testk_u8(l3_at_43_8, (u8)1u);
    }
    u64 w95 = ~w_captured_lt_14 & w_ethertype_eq_34525 & ~w_captured_lt_ip6_ext1_offset & w_ip6_sound & w_l3_at_6_8_eq_44 & ~w_ip6_ext1_fragment_offset_eq_0;
    muxcc_u8(ip6_ext1_next_kind, w_ip6_ext1_whole, l3_at_40_8, l3_at_6_8);
    u64 w_ip6_ext1_next_kind_in_0_43_44_51_60 = in_ranges_u8(ip6_ext1_next_kind, ip6_ext1_next_kind_low, ip6_ext1_next_kind_span, 4);
    EACH ip6_ext1_next_offset_plus_8[i] = (u16)((u32)ip6_ext1_next_offset[i] + 8u);
    u64 w_ip6_end_lt_ip6_ext1_next_offset_plus_8 = lt_u16(ip6_end, ip6_ext1_next_offset_plus_8);
    u64 w_ip6_ext1_next_kind_eq_44 = eqk_u8(ip6_ext1_next_kind, (u8)44u);
    u64 w_captured_lt_ip6_ext1_next_offset_plus_2 = 0, w_ip6_ext1_next_kind_eq_51 = 0;
    if ((~w95 & w98 & w_ip6_ext1_next_kind_in_0_43_44_51_60) && (~w_ip6_ext1_next_kind_eq_44)) {
        moved = reach_u16(c, ip6_ext1_next_offset, 1, 2);
        EACH { /* gather */
            const u8 *p = (const u8 *)(c->at[i] + ip6_ext1_next_offset[i]);
            ip6_ext1_next_offset_at_1_8[i] = get_u8(p + 1);
        }
        lead_back(c, moved);
        w_captured_lt_ip6_ext1_next_offset_plus_2 = ltk_u8(after_ip6_ext1_next_offset, 2);
        settle_u8(ip6_ext1_next_offset_at_1_8, ~w_captured_lt_ip6_ext1_next_offset_plus_2, 0, 0, (u8)255u);
        w_ip6_ext1_next_kind_eq_51 = eqk_u8(ip6_ext1_next_kind, (u8)51u);
        EACH ip6_ext1_next_offset_at_1_8_plus_2[i] = (u16)((u32)ip6_ext1_next_offset_at_1_8[i] + 2u);
        EACH ip6_ext1_next_offset_at_1_8_plus_2_times_4[i] = (u16)((u32)ip6_ext1_next_offset_at_1_8_plus_2[i] * 4u);
        EACH ip6_ext1_next_offset_at_1_8_plus_1[i] = (u16)((u32)ip6_ext1_next_offset_at_1_8[i] + 1u);
        EACH ip6_ext1_next_offset_at_1_8_plus_1_times_8[i] = (u16)((u32)ip6_ext1_next_offset_at_1_8_plus_1[i] * 8u);
        muxcc_u16(v119, w_ip6_ext1_next_kind_eq_51, ip6_ext1_next_offset_at_1_8_plus_2_times_4, ip6_ext1_next_offset_at_1_8_plus_1_times_8);
    }
    u64 w_ip6_declared_lt_ip6_ext2_after = 0;
    if (~w95 & w98 & w_ip6_ext1_next_kind_in_0_43_44_51_60) {
        muxkc_u16(ip6_ext2_length, w_ip6_ext1_next_kind_eq_44, (u16)8u, v119);
        EACH ip6_ext2_after[i] = (u16)((u32)ip6_ext1_next_offset[i] + (u32)ip6_ext2_length[i]);
        EACH ip6_ext2_after_u32[i] = (u32)ip6_ext2_after[i];
        w_ip6_declared_lt_ip6_ext2_after = lt_u32(ip6_declared, ip6_ext2_after_u32);
    }
    u64 w_captured_lt_ip6_ext1_next_offset_plus_1 = 0, w_ip6_end_lt_ip6_ext2_after = 0;
    if (~w95 & w98 & w_ip6_ext1_next_kind_in_0_43_44_51_60 & ~w_ip6_end_lt_ip6_ext1_next_offset_plus_8) {
        moved = reach_u16(c, ip6_ext1_next_offset, 0, 1);
        EACH { /* gather */
            const u8 *p = (const u8 *)(c->at[i] + ip6_ext1_next_offset[i]);
            ip6_ext1_next_offset_at_0_8[i] = get_u8(p + 0);
        }
        lead_back(c, moved);
        w_captured_lt_ip6_ext1_next_offset_plus_1 = ltk_u8(after_ip6_ext1_next_offset, 1);
        settle_u8(ip6_ext1_next_offset_at_0_8, ~w_captured_lt_ip6_ext1_next_offset_plus_1, 0, 0, (u8)255u);
        w_ip6_end_lt_ip6_ext2_after = lt_u16(ip6_end, ip6_ext2_after);
    }
    u64 w_ip6_ext2_whole = w98 & ~w95 & w_ip6_ext1_next_kind_in_0_43_44_51_60 & ~w_ip6_end_lt_ip6_ext1_next_offset_plus_8 & ~w_ip6_end_lt_ip6_ext2_after;
    muxcc_u16(ip6_ext2_next_offset, w_ip6_ext2_whole, ip6_ext2_after, ip6_ext1_next_offset);
    u64 w_captured_lt_l3_plus_4 = 0, w_captured_lt_l3_plus_10 = 0, w_ip_fragment_eq_0 = 0, w_ip_total_eq_0 = 0, w_ip_dst_in_0xa000000_0xaffffff_0xc0a80101 = 0, w_captured_lt_ip_l4 = 0, w_ip_declared_lt_ip_l4 = 0, w_l3_at_6_8_bit_5 = 0;
    if (~w_captured_lt_14 & w_ethertype_eq_2048 & ~w_captured_lt_l3_plus_20 & w_l3_at_0_8_bits_4_7_eq_4 & ~w_ip_words_lt_5) {
        take_u32_u16(l3_at_6_16, raw_l3_at_4_16, ~w_captured_lt_l3_plus_8, 0x80800203u, 1, 0, (u16)0xffffu);
        w_captured_lt_l3_plus_4 = ltk_u8(after_l3, 4);
        take_u32_u16(ip_total, raw_l3_at_0_8, ~w_captured_lt_l3_plus_4, 0x80800203u, 1, 0, (u16)0xffffu);
        w_captured_lt_l3_plus_10 = ltk_u8(after_l3, 10);
        settle_u8(l3_at_9_8, ~w_captured_lt_l3_plus_10, 0, 0, (u8)255u);
        settle_u32(ip_dst, ~w_captured_lt_l3_plus_20, 1, 0, 0xffffffffu);
        EACH ip_words_times_4[i] = (u8)((u32)ip_words[i] * 4u);
        EACH ip_l4[i] = (u8)((u32)l3[i] + (u32)ip_words_times_4[i]);
        EACH ip_l4_u16[i] = (u16)ip_l4[i];
        EACH ip_fragment[i] = (u16)((u32)l3_at_6_16[i] & 0x1fffu);
        w_ip_fragment_eq_0 = eqk_u16(ip_fragment, (u16)0u);
        w_ip_total_eq_0 = eqk_u16(ip_total, (u16)0u);
        EACH l3_plus_ip_total[i] = (u32)((u32)l3[i] + (u32)ip_total[i]);
        muxcc_u32(ip_declared, w_ip_total_eq_0, frame_len_u32, l3_plus_ip_total);
        w_ip_dst_in_0xa000000_0xaffffff_0xc0a80101 = in_ranges_u32(ip_dst, ip_dst_low, ip_dst_span, 2);
        w_captured_lt_ip_l4 = lt_u16(c->captured, ip_l4_u16);
        EACH ip_l4_u32[i] = (u32)ip_l4[i];
        w_ip_declared_lt_ip_l4 = lt_u32(ip_declared, ip_l4_u32);
        w_l3_at_6_8_bit_5 = testk_u8(l3_at_6_8, (u8)32u);
    }
    muxcc_u16(l4_base, w_ip, ip_l4_u16, ip6_ext2_next_offset);
    room_u16(after_l4_base, c->captured, l4_base);
    u64 w_captured_lt_l4_base_plus_4 = ltk_u8(after_l4_base, 4);
    c->chunk->punt = 0;
    /* block guard: first */
    c->free = c->live;
    u64 w_ip6_ext2_is_extension = w98 & ~w95 & w_ip6_ext1_next_kind_in_0_43_44_51_60;
    u64 w144 = w98 & ~w95 & ~w_ip6_ext2_is_extension;
    u64 w145 = w_ip6_ext2_whole | w144;
    u64 w_captured_lt_ip6_ext1_next_offset_plus_4 = 0, w_ip6_ext2_fragment_offset_eq_0 = 0;
    if (~w95 & w98 & w_ip6_ext1_next_kind_eq_44) {
        moved = reach_u16(c, ip6_ext1_next_offset, 2, 4);
        EACH { /* gather */
            const u8 *p = (const u8 *)(c->at[i] + ip6_ext1_next_offset[i]);
            ip6_ext1_next_offset_at_2_16[i] = get_u16(p + 2);
        }
        lead_back(c, moved);
        w_captured_lt_ip6_ext1_next_offset_plus_4 = ltk_u8(after_ip6_ext1_next_offset, 4);
        settle_u16(ip6_ext1_next_offset_at_2_16, ~w_captured_lt_ip6_ext1_next_offset_plus_4, 1, 0, (u16)0xffffu);
        EACH ip6_ext2_fragment_offset[i] = (u16)((ip6_ext1_next_offset_at_2_16[i] >> 3));
        w_ip6_ext2_fragment_offset_eq_0 = eqk_u16(ip6_ext2_fragment_offset, (u16)0u);
    }
    u64 w142 = w98 & ~w95 & w_ip6_ext1_next_kind_eq_44 & ~w_ip6_ext2_fragment_offset_eq_0;
    u64 w_ip6_ext2_next_alive = w145 & ~w142;
    muxcc_u32(declared, w_ip, ip_declared, ip6_declared);
    u64 w_captured_lt_declared = lt_u32(captured_u32, declared);
    muxcc_u32(v184, w_captured_lt_declared, captured_u32, declared);
    EACH l4_end[i] = (u16)((u32)v184[i] & 0xffffu);
    u64 w_l4_end_lt_ip_l4 = 0;
    if (~w_captured_lt_14 & w_ethertype_eq_2048 & ~w_captured_lt_l3_plus_20 & w_l3_at_0_8_bits_4_7_eq_4 & ~w_ip_words_lt_5) {
        w_l4_end_lt_ip_l4 = lt_u16(l4_end, ip_l4_u16);
    }
    u64 w188 = ~w_captured_lt_14 & w_ethertype_eq_2048 & ~w_captured_lt_l3_plus_20 & w_l3_at_0_8_bits_4_7_eq_4 & ~w_ip_words_lt_5 & w_ip_fragment_eq_0 & ~w_l4_end_lt_ip_l4;
    u64 w_l4 = w_ip6_ext2_next_alive | w188;
    muxcc_u8(ip6_ext2_next_kind, w_ip6_ext2_whole, ip6_ext1_next_offset_at_0_8, ip6_ext1_next_kind);
    muxcc_u8(l4_kind, w_ip, l3_at_9_8, ip6_ext2_next_kind);
    u64 w_l4_kind_eq_6 = eqk_u8(l4_kind, (u8)6u);
    EACH l4_base_plus_20[i] = (u16)((u32)l4_base[i] + 20u);
    u64 w_l4_end_lt_l4_base_plus_20 = 0, w_tcp_dstport_eq_53 = 0;
    if (w_l4) {
        moved = reach_u16(c, l4_base, 2, 4);
        EACH { /* gather */
            const u8 *p = (const u8 *)(c->at[i] + l4_base[i]);
            tcp_dstport[i] = get_u16(p + 2);
        }
        lead_back(c, moved);
        settle_u16(tcp_dstport, ~w_captured_lt_l4_base_plus_4, 1, 0, (u16)0xffffu);
        w_l4_end_lt_l4_base_plus_20 = lt_u16(l4_end, l4_base_plus_20);
        w_tcp_dstport_eq_53 = eqk_u16(tcp_dstport, (u16)53u);
    }
    u64 w_tcp_dstport_eq_22 = 0;
    if ((~w_captured_lt_14 & w_ethertype_eq_2048 & ~w_captured_lt_l3_plus_20 & w_l3_at_0_8_bits_4_7_eq_4 & ~w_ip_words_lt_5) && (w_l4)) {
        w_tcp_dstport_eq_22 = eqk_u16(tcp_dstport, (u16)22u);
    }
    u64 rule_login = ~w_captured_lt_14 & w_ethertype_eq_2048 & ~w_captured_lt_l3_plus_20 & w_l3_at_0_8_bits_4_7_eq_4 & ~w_ip_words_lt_5 & w_l4 & w_l4_kind_eq_6 & ~w_l4_end_lt_l4_base_plus_20 & w_tcp_dstport_eq_22 & w_ip_dst_in_0xa000000_0xaffffff_0xc0a80101;
    /* rule 0: login */
    take(c, rule_login, 0);
    u64 w_l4_kind_eq_17 = eqk_u8(l4_kind, (u8)17u);
    EACH l4_base_plus_8[i] = (u16)((u32)l4_base[i] + 8u);
    u64 w_l4_end_lt_l4_base_plus_8 = 0;
    if (w_l4) {
        w_l4_end_lt_l4_base_plus_8 = lt_u16(l4_end, l4_base_plus_8);
    }
    u64 rule_names = w_l4 & w_l4_kind_eq_17 & ~w_l4_end_lt_l4_base_plus_8 & w_tcp_dstport_eq_53;
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
    EACH l4_base_plus_20_u32[i] = (u32)l4_base_plus_20[i];
    u64 w_declared_lt_l4_base_plus_20 = lt_u32(declared, l4_base_plus_20_u32);
    EACH l4_base_plus_8_u32[i] = (u32)l4_base_plus_8[i];
    u64 w_declared_lt_l4_base_plus_8 = lt_u32(declared, l4_base_plus_8_u32);
    u64 w_l4_kind_eq_132 = eqk_u8(l4_kind, (u8)132u);
    EACH l4_base_plus_12[i] = (u16)((u32)l4_base[i] + 12u);
    EACH l4_base_plus_12_u32[i] = (u32)l4_base_plus_12[i];
    u64 w_declared_lt_l4_base_plus_12 = lt_u32(declared, l4_base_plus_12_u32);
    u64 w_cut = lt_u16(c->captured, c->size);
    u64 w279 = ~w_captured_lt_14 & w_types_1_in_33024_34984_37120 & ~w_tags_1;
    u64 w281 = ~w_captured_lt_14 & ~w_captured_lt_18 & w_types_1_in_33024_34984_37120 & w_types_2_in_33024_34984_37120 & ~w_tags_2;
    u64 w_ethertype_eq_2054 = eqk_u16(ethertype, (u16)0x806u /* 2054 */);
    u64 w284 = ~w_captured_lt_14 & w_captured_lt_l3_plus_8 & w_ethertype_eq_2054;
    u64 w285 = ~w_captured_lt_14 & w_ethertype_eq_2048 & w_captured_lt_l3_plus_20;
    u64 w286 = ~w_captured_lt_14 & w_ethertype_eq_34525 & w_captured_lt_ip6_ext1_offset;
    u64 w290 = ~w_captured_lt_14 & w_ethertype_eq_2048 & ~w_captured_lt_l3_plus_20 & w_l3_at_0_8_bits_4_7_eq_4 & ~w_ip_words_lt_5 & w_captured_lt_ip_l4 & ~w_ip_declared_lt_ip_l4;
    u64 w_short = w_captured_lt_14 | w279 | w281 | w284 | w285 | w286 | w290;
    u64 w292 = ~w_cut & w_short;
    u64 w_ip_sound = w_l3_at_0_8_bits_4_7_eq_4 & ~w_ip_words_lt_5;
    u64 w294 = ~w_captured_lt_14 & w_ethertype_eq_2048 & ~w_captured_lt_l3_plus_20 & ~w_ip_sound;
    u64 w296 = ~w_captured_lt_14 & w_ethertype_eq_34525 & ~w_captured_lt_ip6_ext1_offset & ~w_ip6_sound;
    u64 w297 = ~w_captured_lt_14 & w_ethertype_eq_2048 & ~w_captured_lt_l3_plus_20 & w_l3_at_0_8_bits_4_7_eq_4 & ~w_ip_words_lt_5 & w_ip_declared_lt_ip_l4;
    u64 w_captured_lt_l4_base_plus_20 = ltk_u8(after_l4_base, 20);
    u64 w234 = w_l4 & w_l4_kind_eq_6 & ~w_declared_lt_l4_base_plus_20 & w_captured_lt_l4_base_plus_20;
    u64 w_captured_lt_l4_base_plus_8 = ltk_u8(after_l4_base, 8);
    u64 w239 = w_l4 & w_l4_kind_eq_17 & ~w_declared_lt_l4_base_plus_8 & w_captured_lt_l4_base_plus_8;
    u64 w_captured_lt_l4_base_plus_12 = ltk_u8(after_l4_base, 12);
    u64 w248 = w_l4 & w_l4_kind_eq_132 & ~w_declared_lt_l4_base_plus_12 & w_captured_lt_l4_base_plus_12;
    u64 w_l4_kind_eq_1 = 0;
    if (~w_captured_lt_14 & w_ethertype_eq_2048 & ~w_captured_lt_l3_plus_20 & w_l3_at_0_8_bits_4_7_eq_4 & ~w_ip_words_lt_5) {
        w_l4_kind_eq_1 = eqk_u8(l4_kind, (u8)1u);
    }
    u64 w251 = ~w_captured_lt_14 & w_ethertype_eq_2048 & ~w_captured_lt_l3_plus_20 & w_l3_at_0_8_bits_4_7_eq_4 & ~w_ip_words_lt_5 & w_l4 & ~w_declared_lt_l4_base_plus_8 & w_captured_lt_l4_base_plus_8 & w_l4_kind_eq_1;
    u64 w_l4_kind_eq_58 = 0, w_declared_lt_l4_base_plus_4 = 0;
    if (~w_captured_lt_14 & w_ethertype_eq_34525 & ~w_captured_lt_ip6_ext1_offset & w_ip6_sound) {
        w_l4_kind_eq_58 = eqk_u8(l4_kind, (u8)58u);
        EACH l4_base_plus_4[i] = (u16)((u32)l4_base[i] + 4u);
        EACH l4_base_plus_4_u32[i] = (u32)l4_base_plus_4[i];
        w_declared_lt_l4_base_plus_4 = lt_u32(declared, l4_base_plus_4_u32);
    }
    u64 w257 = ~w_captured_lt_14 & w_ethertype_eq_34525 & ~w_captured_lt_ip6_ext1_offset & w_ip6_sound & w_l4 & w_captured_lt_l4_base_plus_4 & w_l4_kind_eq_58 & ~w_declared_lt_l4_base_plus_4;
    EACH ip6_ext1_next_offset_plus_8_u32[i] = (u32)ip6_ext1_next_offset_plus_8[i];
    u64 w_ip6_declared_lt_ip6_ext1_next_offset_plus_8 = lt_u32(ip6_declared, ip6_ext1_next_offset_plus_8_u32);
    u64 w_captured_lt_ip6_ext1_next_offset_plus_8 = ltk_u8(after_ip6_ext1_next_offset, 8);
    u64 w_ip6_ext1_next_offset_at_3_8_bit_0 = 0;
    if ((~w95 & w98 & w_ip6_ext1_next_kind_eq_44) && (~w292 & ~w294 & ~w296 & ~w297)) {
        moved = reach_u16(c, ip6_ext1_next_offset, 3, 4);
        EACH { /* gather */
            const u8 *p = (const u8 *)(c->at[i] + ip6_ext1_next_offset[i]);
            ip6_ext1_next_offset_at_3_8[i] = get_u8(p + 3);
        }
        lead_back(c, moved);
        settle_u8(ip6_ext1_next_offset_at_3_8, ~w_captured_lt_ip6_ext1_next_offset_plus_4, 0, 0, (u8)255u);
        w_ip6_ext1_next_offset_at_3_8_bit_0 = testk_u8(ip6_ext1_next_offset_at_3_8, (u8)1u);
    }
    u64 w_captured_lt_l4_base_plus_13 = 0, w_tcp_header_lt_20 = 0, w_declared_lt_tcp_payload = 0, w_captured_lt_tcp_payload = 0;
    if (w_l4 & w_l4_kind_eq_6 & ~w_l4_end_lt_l4_base_plus_20) {
        moved = reach_u16(c, l4_base, 12, 13);
        EACH { /* gather */
            const u8 *p = (const u8 *)(c->at[i] + l4_base[i]);
            l4_base_at_12_8[i] = get_u8(p + 12);
        }
        lead_back(c, moved);
        w_captured_lt_l4_base_plus_13 = ltk_u8(after_l4_base, 13);
        settle_u8(l4_base_at_12_8, ~w_captured_lt_l4_base_plus_13, 0, 0, (u8)255u);
        EACH l4_base_at_12_8_bits_4_7[i] = (u8)((l4_base_at_12_8[i] >> 4));
        EACH tcp_header[i] = (u8)((u32)l4_base_at_12_8_bits_4_7[i] * 4u);
        w_tcp_header_lt_20 = ltk_u8(tcp_header, (u8)20u);
        EACH tcp_payload[i] = (u16)((u32)l4_base[i] + (u32)tcp_header[i]);
        EACH tcp_payload_u32[i] = (u32)tcp_payload[i];
        w_declared_lt_tcp_payload = lt_u32(declared, tcp_payload_u32);
        w_captured_lt_tcp_payload = lt_u16(c->captured, tcp_payload);
    }
    u64 w232 = 0, w237 = 0, w246 = 0, w250 = 0, w256 = 0, w_frame_len_lt_declared = 0, w_frame_len_lt_65535 = 0, w_ip6 = 0, w298 = 0, w299 = 0, w_l4_short_2 = 0, w300 = 0, w271 = 0, w274 = 0, w275 = 0, w277 = 0;
    if (~w292 & ~w294 & ~w296 & ~w297) {
        w232 = w_l4 & w_l4_kind_eq_6 & w_declared_lt_l4_base_plus_20;
        w237 = w_l4 & w_l4_kind_eq_17 & w_declared_lt_l4_base_plus_8;
        w246 = w_l4 & w_l4_kind_eq_132 & w_declared_lt_l4_base_plus_12;
        w250 = ~w_captured_lt_14 & w_ethertype_eq_2048 & ~w_captured_lt_l3_plus_20 & w_l3_at_0_8_bits_4_7_eq_4 & ~w_ip_words_lt_5 & w_l4 & w_declared_lt_l4_base_plus_8 & w_l4_kind_eq_1;
        w256 = ~w_captured_lt_14 & w_ethertype_eq_34525 & ~w_captured_lt_ip6_ext1_offset & w_ip6_sound & w_l4 & w_l4_kind_eq_58 & w_declared_lt_l4_base_plus_4;
        w_frame_len_lt_declared = lt_u32(frame_len_u32, declared);
        w_frame_len_lt_65535 = ltk_u16(c->size, (u16)0xffffu /* 65535 */);
        w_ip6 = ~w_captured_lt_14 & w_ethertype_eq_34525 & ~w_captured_lt_ip6_ext1_offset & w_ip6_sound;
        w298 = w_ip6 | w_ip;
        w299 = w_frame_len_lt_declared & w_frame_len_lt_65535 & w298;
        w_l4_short_2 = w234 | w239 | w248 | w251 | w257;
        w300 = ~w_cut & w_l4_short_2;
        w271 = ~w_captured_lt_14 & w_ethertype_eq_34525 & ~w_captured_lt_ip6_ext1_offset & w_ip6_sound & w_l3_at_6_8_eq_44 & ~w_ip6_end_lt_l3_plus_48 & w_l3_at_43_8_bit_0;
        w274 = w98 & ~w95 & w_ip6_ext1_next_kind_eq_44 & ~w_ip6_end_lt_ip6_ext1_next_offset_plus_8 & w_ip6_ext1_next_offset_at_3_8_bit_0;
        w275 = w271 | w274;
        w277 = ~w_captured_lt_14 & w_ethertype_eq_2048 & ~w_captured_lt_l3_plus_20 & w_l3_at_0_8_bits_4_7_eq_4 & ~w_ip_words_lt_5 & w_l3_at_6_8_bit_5;
    }
    u64 w_tcp_sound = 0;
    if ((w_l4 & w_l4_kind_eq_6 & ~w_l4_end_lt_l4_base_plus_20) && (~w292 & ~w294 & ~w296 & ~w297)) {
        w_tcp_sound = w_l4 & w_l4_kind_eq_6 & ~w_l4_end_lt_l4_base_plus_20 & ~w_tcp_header_lt_20 & ~w_declared_lt_tcp_payload;
    }
    u64 w315 = 0;
    if (~w292 & ~w294 & ~w296 & ~w297) {
        w315 = w_l4 & w_l4_kind_eq_6 & ~w_l4_end_lt_l4_base_plus_20 & ~w_tcp_sound;
    }
    u64 w319 = 0;
    if (~w_captured_lt_14 & w_ethertype_eq_34525 & ~w_captured_lt_ip6_ext1_offset & w_ip6_sound & w_l3_at_6_8_in_0_43_44_51_60) {
        w319 = w_ip6_declared_lt_l3_plus_48 | w86 | ~w_cut;
    }
    u64 w320 = 0;
    if (~w292 & ~w294 & ~w296 & ~w297) {
        w320 = ~w_captured_lt_14 & w_ethertype_eq_34525 & ~w_captured_lt_ip6_ext1_offset & w_ip6_sound & w_l3_at_6_8_in_0_43_44_51_60 & ~w_ip6_ext1_whole & w319;
    }
    u64 w133 = 0, w_ip6_ext2_past_declared = 0;
    if (~w95 & w98 & w_ip6_ext1_next_kind_in_0_43_44_51_60) {
        w133 = ~w_captured_lt_ip6_ext1_next_offset_plus_8 & w_ip6_declared_lt_ip6_ext2_after;
        w_ip6_ext2_past_declared = w_ip6_declared_lt_ip6_ext1_next_offset_plus_8 | w133;
    }
    u64 w321 = 0;
    if ((~w95 & w98 & w_ip6_ext1_next_kind_in_0_43_44_51_60) && (~w292 & ~w294 & ~w296 & ~w297)) {
        w321 = w_ip6_declared_lt_ip6_ext1_next_offset_plus_8 | w133 | ~w_cut;
    }
    u64 w322 = 0;
    if (~w292 & ~w294 & ~w296 & ~w297) {
        w322 = w98 & ~w95 & w_ip6_ext1_next_kind_in_0_43_44_51_60 & ~w_ip6_ext2_whole & w321;
    }
    u64 w_captured_lt_l4_base_plus_6 = 0, w_udp_length_eq_0 = 0, w_udp_length_lt_8 = 0, w_declared_lt_l4_base_plus_udp_length = 0, w268 = 0;
    if ((w_l4 & w_l4_kind_eq_17 & ~w_l4_end_lt_l4_base_plus_8 & ~w271 & ~w274 & ~w277) && (~w232 & ~w237 & ~w246 & ~w250 & ~w256 & ~w292 & ~w294 & ~w296 & ~w297 & ~w299 & ~w300 & ~w315 & ~w320 & ~w322)) {
        moved = reach_u16(c, l4_base, 4, 6);
        EACH { /* gather */
            const u8 *p = (const u8 *)(c->at[i] + l4_base[i]);
            udp_length[i] = get_u16(p + 4);
        }
        lead_back(c, moved);
        w_captured_lt_l4_base_plus_6 = ltk_u8(after_l4_base, 6);
        settle_u16(udp_length, ~w_captured_lt_l4_base_plus_6, 1, 0, (u16)0xffffu);
        w_udp_length_eq_0 = eqk_u16(udp_length, (u16)0u);
        w_udp_length_lt_8 = ltk_u16(udp_length, (u16)8u);
        EACH l4_base_plus_udp_length[i] = (u32)((u32)l4_base[i] + (u32)udp_length[i]);
        w_declared_lt_l4_base_plus_udp_length = lt_u32(declared, l4_base_plus_udp_length);
        w268 = w_udp_length_lt_8 | w_declared_lt_l4_base_plus_udp_length;
    }
    u64 w318 = 0;
    if (~w232 & ~w237 & ~w246 & ~w250 & ~w256 & ~w292 & ~w294 & ~w296 & ~w297 & ~w299 & ~w300 & ~w315 & ~w320 & ~w322) {
        w318 = w_l4 & w_l4_kind_eq_17 & ~w_l4_end_lt_l4_base_plus_8 & ~w_udp_length_eq_0 & w268 & ~w275 & ~w277;
    }
    u64 w_malformed = w232 | w237 | w246 | w250 | w256 | w292 | w294 | w296 | w297 | w299 | w300 | w315 | w318 | w320 | w322;
    c->chunk->malformed = w_malformed & c->live;
    u64 w325 = ~w_captured_lt_14 & ~w_captured_lt_18 & ~w_captured_lt_22 & w_types_1_in_33024_34984_37120 & w_types_2_in_33024_34984_37120 & w_types_3_in_33024_34984_37120;
    u64 w327 = w_l4 & w_l4_kind_eq_6 & ~w_l4_end_lt_l4_base_plus_20 & ~w_tcp_header_lt_20 & ~w_declared_lt_tcp_payload & w_captured_lt_tcp_payload;
    u64 w328 = w_captured_lt_14 | w234 | w239 | w248 | w251 | w257 | w279 | w281 | w284 | w285 | w286 | w290 | w327;
    u64 w329 = w_cut & w328;
    u64 w_ip6_ext2_next_kind_in_0_43_44_51_60 = in_ranges_u8(ip6_ext2_next_kind, ip6_ext2_next_kind_low, ip6_ext2_next_kind_span, 4);
    u64 w_ip6_more = w145 & ~w142 & w_ip6_ext2_next_kind_in_0_43_44_51_60;
    u64 w333 = ~w_captured_lt_14 & w_ethertype_eq_34525 & ~w_captured_lt_ip6_ext1_offset & w_ip6_sound & w_l3_at_6_8_in_0_43_44_51_60 & ~w_ip6_ext1_whole & w_cut & ~w_ip6_ext1_past_declared;
    u64 w335 = w98 & ~w95 & w_ip6_ext1_next_kind_in_0_43_44_51_60 & ~w_ip6_ext2_whole & w_cut & ~w_ip6_ext2_past_declared;
    u64 w_truncated = w325 | w329 | w_ip6_more | w333 | w335;
    c->chunk->truncated = w_truncated & c->live;
}

/* ---- Interface -------------------------------------------------------------------------------------------------- */

#define EXPORT __attribute__((visibility("default")))

EXPORT extern const struct sm_info sm_info;
const struct sm_info sm_info = {SM_ABI, RULES, FIRED_MAX, 0, "ee6ade1fa4b468728f7a147a12dcf295fb68743d6e53705cf36d19cb3439466f"};

EXPORT sm_match_function sm_match;
uint64_t sm_match(const uint8_t *buffer, const sm_event *events, uint64_t n, const sm_context *context,
                  sm_chunk *chunks, sm_fired *fired, uint64_t room, uint16_t *ports)
{
    struct columns columns;
    memset(&columns, 0, offsetof(struct columns, copy)); /* what a region skips is read, and ignored */
    uint64_t done = 0;
    (void)context;
    (void)ports;
    columns.buffer = buffer;
    columns.fired = fired;
    for (; done < n && room >= sm_info.fired_max; done += LANES) {
        const unsigned count = n - done < LANES ? (unsigned)(n - done) : LANES;
        const sm_fired *first = columns.fired;
        columns.events = events + done;
        columns.chunk = chunks + done / LANES;
        columns.live = ALL >> (LANES - count);
        columns.last = count - 1;
        fetch(&columns, count, n - done);
        stage_0(&columns);
        columns.chunk->fired = (uint32_t)(columns.fired - first);
        columns.chunk->reserved = 0;
        room -= columns.chunk->fired;
    }
    return done < n ? done : n;
}
