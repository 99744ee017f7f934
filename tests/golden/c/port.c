/* Match engine of the Plan filter. Generated; the Plan is the source.
   structure 39a860168ca471b639f3507dd8c916bbf9825c2f47df2e84bbf0962e52742316
   1 rules, 16 loads, 148 statements.

   64 events at a time: a field is a column of 64 values, a condition is a word of 64 bits. Bytes are gathered from
   the packets one header at a time; everything else works on whole columns. What counts only under a condition that
   holds for no event of the 64 is skipped. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "sm_boundary.h"
#include "engine_lanes.h"
#include "engine_windows.h"

/* ==== From here on for this Plan ================================================================================= */

#define RULES 1
#define FIRED_MAX 1 /* entries of sm_fired that 64 events can need */

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
    u16 u16_[6][LANES] ALIGNED;
    u32 u32_[6][LANES] ALIGNED;
    u64 live; /* lanes with an event to decide */
    u64 free; /* events that no rule of the block has taken */
    sm_chunk *chunk;
    sm_fired *fired; /* the next entry */
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
    u8 *const l3_at_40_8 = c->u8_[3], *const ext2_kind = c->u8_[6], *const after_ext2_start = c->u8_[4];
    u8 *const ext2_start_at_1_8 = c->u8_[3], *const ext2_start_at_0_8 = c->u8_[3], *const ipv6_protocol = c->u8_[7];
    u8 *const l4_protocol = c->u8_[6], *const ip_words_times_4 = c->u8_[2], *const ip_l4 = c->u8_[5];
    u8 *const after_l4 = c->u8_[4];
    u16 *const ethertype_1 = c->u16_[0], *const ethertype_2 = c->u16_[1], *const l3_at_4_16 = c->u16_[2];
    u16 *const v19 = c->u16_[3], *const ethertype_3 = c->u16_[0], *const ethertype = c->u16_[1];
    u16 *const ipv6_end = c->u16_[2], *const l3_plus_48_u16 = c->u16_[3], *const l3_at_41_8_plus_2 = c->u16_[3];
    u16 *const l3_at_41_8_plus_2_times_4 = c->u16_[0], *const l3_at_41_8_plus_1 = c->u16_[3], *const l3_at_41_8_plus_1_times_8 = c->u16_[4];
    u16 *const v70 = c->u16_[3], *const ext1_len = c->u16_[4], *const ext1_end = c->u16_[3];
    u16 *const ext1_start_u16 = c->u16_[4], *const ext2_start = c->u16_[0], *const l3_at_42_16 = c->u16_[1];
    u16 *const l3_at_42_16_bits_3_15 = c->u16_[4], *const ext2_start_plus_8 = c->u16_[4], *const ext2_start_at_1_8_plus_2 = c->u16_[4];
    u16 *const ext2_start_at_1_8_plus_2_times_4 = c->u16_[1], *const ext2_start_at_1_8_plus_1 = c->u16_[4], *const ext2_start_at_1_8_plus_1_times_8 = c->u16_[3];
    u16 *const v111 = c->u16_[4], *const ext2_len = c->u16_[3], *const ext2_end = c->u16_[4];
    u16 *const l3_at_6_16 = c->u16_[2], *const ip_len = c->u16_[3], *const ip_l4_u16 = c->u16_[1];
    u16 *const ip_frag_offset = c->u16_[5], *const l4_end = c->u16_[3], *const ext2_start_at_2_16 = c->u16_[5];
    u16 *const ext2_start_at_2_16_bits_3_15 = c->u16_[2], *const ipv6_l4 = c->u16_[2], *const l4 = c->u16_[0];
    u16 *const l4_plus_20 = c->u16_[2], *const tcp_dstport = c->u16_[2];
    u32 *const raw_l3_at_0_8 = c->u32_[0], *const raw_l3_at_4_16 = c->u32_[1], *const ext1_start_plus_l3_at_4_16 = c->u32_[2];
    u32 *const size_u32 = c->u32_[3], *const ipv6_len_end = c->u32_[4], *const captured_u32 = c->u32_[2];
    u32 *const v50 = c->u32_[5], *const l3_plus_ip_len = c->u32_[0], *const ip_end = c->u32_[1];
    u32 *const l3_end = c->u32_[0], *const v168 = c->u32_[4];
    u64 moved;
    clamp_u16(after_captured, c->captured);
    u64 w_captured_lt_14 = ltk_u8(after_captured, 14);
    settle_u16(ethertype_1, ~w_captured_lt_14, 1, 0, (u16)0xffffu);
    u64 w_captured_lt_18 = ltk_u8(after_captured, 18);
    u64 w_captured_lt_22 = ltk_u8(after_captured, 22);
    u64 w_ethertype_1_in_33024_34984_37120 = in_ranges_u16(ethertype_1, ethertype_1_low, ethertype_1_span, 3);
    if (~w_captured_lt_14 & ~w_captured_lt_18 & w_ethertype_1_in_33024_34984_37120) {
        moved = reach(c, 16, 18);
        EACH { /* gather */
            const u8 *p = (const u8 *)(c->at[i]);
            ethertype_2[i] = get_u16(p + 16);
        }
        lead_back(c, moved);
        settle_u16(ethertype_2, ~w_captured_lt_18, 1, 0, (u16)0xffffu);
    }
    u64 w_ethertype_2_in_33024_34984_37120 = 0;
    if (~w_captured_lt_14 & ~w_captured_lt_18 & ~w_captured_lt_22 & w_ethertype_1_in_33024_34984_37120) {
        w_ethertype_2_in_33024_34984_37120 = in_ranges_u16(ethertype_2, ethertype_2_low, ethertype_2_span, 3);
    }
    u64 w_vlan_2 = ~w_captured_lt_14 & ~w_captured_lt_18 & ~w_captured_lt_22 & w_ethertype_1_in_33024_34984_37120 & w_ethertype_2_in_33024_34984_37120;
    u64 w_vlan_1 = ~w_captured_lt_14 & ~w_captured_lt_18 & w_ethertype_1_in_33024_34984_37120;
    muxkk_u8(v23, w_vlan_1, (u8)18u, (u8)14u);
    muxkc_u8(l3, w_vlan_2, (u8)22u, v23);
    moved = reach_u8(c, l3, 0, 10);
    EACH { /* gather */
        const u8 *p = (const u8 *)(c->at[i] + l3[i]);
        raw_l3_at_0_8[i] = get_u32(p + 0);
        raw_l3_at_4_16[i] = get_u32(p + 4);
        l3_at_9_8[i] = get_u8(p + 9);
    }
    lead_back(c, moved);
    room_u8(after_l3, c->captured, l3);
    u64 w_captured_lt_l3_plus_1 = ltk_u8(after_l3, 1);
    take_u32_u8(l3_at_0_8, raw_l3_at_0_8, ~w_captured_lt_l3_plus_1, 0x80808000u, 0, 0, (u8)255u);
    u64 w_captured_lt_l3_plus_7 = ltk_u8(after_l3, 7);
    take_u32_u8(ext1_kind, raw_l3_at_4_16, ~w_captured_lt_l3_plus_7, 0x80808002u, 0, 16, (u8)255u);
    u64 w_captured_lt_l3_plus_6 = ltk_u8(after_l3, 6);
    take_u32_u16(l3_at_4_16, raw_l3_at_4_16, ~w_captured_lt_l3_plus_6, 0x80800001u, 1, 16, (u16)0xffffu);
    muxcc_u16(v19, w_vlan_1, ethertype_2, ethertype_1);
    if (~w_captured_lt_14 & ~w_captured_lt_18 & ~w_captured_lt_22 & w_ethertype_1_in_33024_34984_37120 & w_ethertype_2_in_33024_34984_37120) {
        moved = reach(c, 20, 22);
        EACH { /* gather */
            const u8 *p = (const u8 *)(c->at[i]);
            ethertype_3[i] = get_u16(p + 20);
        }
        lead_back(c, moved);
        settle_u16(ethertype_3, ~w_captured_lt_22, 1, 0, (u16)0xffffu);
    }
    muxcc_u16(ethertype, w_vlan_2, ethertype_3, v19);
    u64 w_ethertype_eq_34525 = eqk_u16(ethertype, (u16)0x86ddu /* 34525 */);
    u64 w_captured_lt_ext1_start = ltk_u8(after_l3, 40);
    EACH l3_version[i] = (u8)((l3_at_0_8[i] >> 4));
    u64 w_l3_version_eq_6 = eqk_u8(l3_version, (u8)6u);
    u64 w_ext1_is_ext = in_ranges_u8(ext1_kind, ext1_kind_low, ext1_kind_span, 4);
    u64 w_l3_at_4_16_eq_0 = eqk_u16(l3_at_4_16, (u16)0u);
    EACH ext1_start[i] = (u8)((u32)l3[i] + 40u);
    EACH ext1_start_plus_l3_at_4_16[i] = (u32)((u32)ext1_start[i] + (u32)l3_at_4_16[i]);
    EACH size_u32[i] = (u32)c->size[i];
    muxcc_u32(ipv6_len_end, w_l3_at_4_16_eq_0, size_u32, ext1_start_plus_l3_at_4_16);
    EACH captured_u32[i] = (u32)c->captured[i];
    u64 w_captured_lt_ipv6_len_end = lt_u32(captured_u32, ipv6_len_end);
    muxcc_u32(v50, w_captured_lt_ipv6_len_end, captured_u32, ipv6_len_end);
    EACH ipv6_end[i] = (u16)((u32)v50[i] & 0xffffu);
    u64 w_ext1_kind_eq_44 = eqk_u8(ext1_kind, (u8)44u);
    u64 w_ipv6_end_lt_l3_plus_48 = 0;
    if (~w_captured_lt_14 & w_ethertype_eq_34525 & ~w_captured_lt_ext1_start & w_l3_version_eq_6 & w_ext1_is_ext) {
        EACH l3_plus_48[i] = (u8)((u32)l3[i] + 48u);
        EACH l3_plus_48_u16[i] = (u16)l3_plus_48[i];
        w_ipv6_end_lt_l3_plus_48 = lt_u16(ipv6_end, l3_plus_48_u16);
    }
    u64 w_captured_lt_l3_plus_42 = 0, w_ext1_kind_eq_51 = 0;
    if ((~w_captured_lt_14 & w_ethertype_eq_34525 & ~w_captured_lt_ext1_start & w_l3_version_eq_6 & w_ext1_is_ext & ~w_ipv6_end_lt_l3_plus_48) && (~w_ext1_kind_eq_44)) {
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
        muxcc_u16(v70, w_ext1_kind_eq_51, l3_at_41_8_plus_2_times_4, l3_at_41_8_plus_1_times_8);
    }
    u64 w_ipv6_end_lt_ext1_end = 0;
    if (~w_captured_lt_14 & w_ethertype_eq_34525 & ~w_captured_lt_ext1_start & w_l3_version_eq_6 & w_ext1_is_ext & ~w_ipv6_end_lt_l3_plus_48) {
        muxkc_u16(ext1_len, w_ext1_kind_eq_44, (u16)8u, v70);
        EACH ext1_end[i] = (u16)((u32)ext1_start[i] + (u32)ext1_len[i]);
        w_ipv6_end_lt_ext1_end = lt_u16(ipv6_end, ext1_end);
    }
    u64 w_ext1_whole = ~w_captured_lt_14 & w_ethertype_eq_34525 & ~w_captured_lt_ext1_start & w_l3_version_eq_6 & w_ext1_is_ext & ~w_ipv6_end_lt_l3_plus_48 & ~w_ipv6_end_lt_ext1_end;
    EACH ext1_start_u16[i] = (u16)ext1_start[i];
    muxcc_u16(ext2_start, w_ext1_whole, ext1_end, ext1_start_u16);
    u64 w_ethertype_eq_2048 = eqk_u16(ethertype, (u16)0x800u /* 2048 */);
    u64 w_captured_lt_l3_plus_20 = ltk_u8(after_l3, 20);
    u64 w_l3_version_eq_4 = eqk_u8(l3_version, (u8)4u);
    EACH ip_words[i] = (u8)((u32)l3_at_0_8[i] & 15u);
    u64 w_ip_words_lt_5 = ltk_u8(ip_words, (u8)5u);
    u64 w_ip = ~w_captured_lt_14 & w_ethertype_eq_2048 & ~w_captured_lt_l3_plus_20 & w_l3_version_eq_4 & ~w_ip_words_lt_5;
    u64 w_ext1 = ~w_captured_lt_14 & w_ethertype_eq_34525 & ~w_captured_lt_ext1_start & w_l3_version_eq_6 & w_ext1_is_ext;
    u64 w89 = ~w_captured_lt_14 & w_ethertype_eq_34525 & ~w_captured_lt_ext1_start & w_l3_version_eq_6 & ~w_ext1;
    u64 w90 = w_ext1_whole | w89;
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
    u64 w_ext2_is_ext = in_ranges_u8(ext2_kind, ext2_kind_low, ext2_kind_span, 4);
    u64 w_ext2_kind_eq_44 = eqk_u8(ext2_kind, (u8)44u);
    if (~w_ext1_later & w90) {
        room_u16(after_ext2_start, c->captured, ext2_start);
    }
    u64 w_ipv6_end_lt_ext2_start_plus_8 = 0;
    if (~w_ext1_later & w90 & w_ext2_is_ext) {
        EACH ext2_start_plus_8[i] = (u16)((u32)ext2_start[i] + 8u);
        w_ipv6_end_lt_ext2_start_plus_8 = lt_u16(ipv6_end, ext2_start_plus_8);
    }
    u64 w_captured_lt_ext2_start_plus_2 = 0, w_ext2_kind_eq_51 = 0;
    if ((~w_ext1_later & w90 & w_ext2_is_ext & ~w_ipv6_end_lt_ext2_start_plus_8) && (~w_ext2_kind_eq_44)) {
        moved = reach_u16(c, ext2_start, 1, 2);
        EACH { /* gather */
            const u8 *p = (const u8 *)(c->at[i] + ext2_start[i]);
            ext2_start_at_1_8[i] = get_u8(p + 1);
        }
        lead_back(c, moved);
        w_captured_lt_ext2_start_plus_2 = ltk_u8(after_ext2_start, 2);
        settle_u8(ext2_start_at_1_8, ~w_captured_lt_ext2_start_plus_2, 0, 0, (u8)255u);
        w_ext2_kind_eq_51 = eqk_u8(ext2_kind, (u8)51u);
        EACH ext2_start_at_1_8_plus_2[i] = (u16)((u32)ext2_start_at_1_8[i] + 2u);
        EACH ext2_start_at_1_8_plus_2_times_4[i] = (u16)((u32)ext2_start_at_1_8_plus_2[i] * 4u);
        EACH ext2_start_at_1_8_plus_1[i] = (u16)((u32)ext2_start_at_1_8[i] + 1u);
        EACH ext2_start_at_1_8_plus_1_times_8[i] = (u16)((u32)ext2_start_at_1_8_plus_1[i] * 8u);
        muxcc_u16(v111, w_ext2_kind_eq_51, ext2_start_at_1_8_plus_2_times_4, ext2_start_at_1_8_plus_1_times_8);
    }
    u64 w_ipv6_end_lt_ext2_end = 0;
    if (~w_ext1_later & w90 & w_ext2_is_ext & ~w_ipv6_end_lt_ext2_start_plus_8) {
        muxkc_u16(ext2_len, w_ext2_kind_eq_44, (u16)8u, v111);
        EACH ext2_end[i] = (u16)((u32)ext2_start[i] + (u32)ext2_len[i]);
        w_ipv6_end_lt_ext2_end = lt_u16(ipv6_end, ext2_end);
    }
    u64 w_ext2_whole = w90 & ~w_ext1_later & w_ext2_is_ext & ~w_ipv6_end_lt_ext2_start_plus_8 & ~w_ipv6_end_lt_ext2_end;
    c->chunk->punt = 0;
    /* block filter: first */
    c->free = c->live;
    u64 w_ext2 = w90 & ~w_ext1_later & w_ext2_is_ext;
    u64 w_captured_lt_l3_plus_10 = 0;
    if (~w_captured_lt_14 & w_ethertype_eq_2048 & ~w_captured_lt_l3_plus_20 & w_l3_version_eq_4 & ~w_ip_words_lt_5) {
        w_captured_lt_l3_plus_10 = ltk_u8(after_l3, 10);
        settle_u8(l3_at_9_8, ~w_captured_lt_l3_plus_10, 0, 0, (u8)255u);
    }
    u64 w_captured_lt_ext2_start_plus_1 = 0;
    if ((~w_ext1_later & w90 & w_ext2_is_ext & ~w_ipv6_end_lt_ext2_start_plus_8 & ~w_ipv6_end_lt_ext2_end) && (~w_ip)) {
        moved = reach_u16(c, ext2_start, 0, 1);
        EACH { /* gather */
            const u8 *p = (const u8 *)(c->at[i] + ext2_start[i]);
            ext2_start_at_0_8[i] = get_u8(p + 0);
        }
        lead_back(c, moved);
        w_captured_lt_ext2_start_plus_1 = ltk_u8(after_ext2_start, 1);
        settle_u8(ext2_start_at_0_8, ~w_captured_lt_ext2_start_plus_1, 0, 0, (u8)255u);
    }
    if (~w_ip) {
        muxcc_u8(ipv6_protocol, w_ext2_whole, ext2_start_at_0_8, ext2_kind);
    }
    muxcc_u8(l4_protocol, w_ip, l3_at_9_8, ipv6_protocol);
    u64 w_l4_protocol_eq_6 = eqk_u8(l4_protocol, (u8)6u);
    u64 w_captured_lt_l3_plus_8 = 0, w_captured_lt_l3_plus_4 = 0, w_ip_frag_offset_eq_0 = 0, w_ip_len_eq_0 = 0;
    if ((~w_captured_lt_14 & w_ethertype_eq_2048 & ~w_captured_lt_l3_plus_20 & w_l3_version_eq_4 & ~w_ip_words_lt_5) && (w_l4_protocol_eq_6)) {
        w_captured_lt_l3_plus_8 = ltk_u8(after_l3, 8);
        take_u32_u16(l3_at_6_16, raw_l3_at_4_16, ~w_captured_lt_l3_plus_8, 0x80800203u, 1, 0, (u16)0xffffu);
        w_captured_lt_l3_plus_4 = ltk_u8(after_l3, 4);
        take_u32_u16(ip_len, raw_l3_at_0_8, ~w_captured_lt_l3_plus_4, 0x80800203u, 1, 0, (u16)0xffffu);
        EACH ip_words_times_4[i] = (u8)((u32)ip_words[i] * 4u);
        EACH ip_l4[i] = (u8)((u32)l3[i] + (u32)ip_words_times_4[i]);
        EACH ip_l4_u16[i] = (u16)ip_l4[i];
        EACH ip_frag_offset[i] = (u16)((u32)l3_at_6_16[i] & 0x1fffu);
        w_ip_frag_offset_eq_0 = eqk_u16(ip_frag_offset, (u16)0u);
        w_ip_len_eq_0 = eqk_u16(ip_len, (u16)0u);
        EACH l3_plus_ip_len[i] = (u32)((u32)l3[i] + (u32)ip_len[i]);
        muxcc_u32(ip_end, w_ip_len_eq_0, size_u32, l3_plus_ip_len);
    }
    u64 w129 = 0, w130 = 0, w_captured_lt_l3_end = 0;
    if (w_l4_protocol_eq_6) {
        w129 = w90 & ~w_ext1_later & ~w_ext2;
        w130 = w_ext2_whole | w129;
        muxcc_u32(l3_end, w_ip, ip_end, ipv6_len_end);
        w_captured_lt_l3_end = lt_u32(captured_u32, l3_end);
        muxcc_u32(v168, w_captured_lt_l3_end, captured_u32, l3_end);
        EACH l4_end[i] = (u16)((u32)v168[i] & 0xffffu);
    }
    u64 w_l4_end_lt_ip_l4 = 0;
    if ((~w_captured_lt_14 & w_ethertype_eq_2048 & ~w_captured_lt_l3_plus_20 & w_l3_version_eq_4 & ~w_ip_words_lt_5) && (w_l4_protocol_eq_6)) {
        w_l4_end_lt_ip_l4 = lt_u16(l4_end, ip_l4_u16);
    }
    u64 w172 = 0;
    if (w_l4_protocol_eq_6) {
        w172 = ~w_captured_lt_14 & w_ethertype_eq_2048 & ~w_captured_lt_l3_plus_20 & w_l3_version_eq_4 & ~w_ip_words_lt_5 & w_ip_frag_offset_eq_0 & ~w_l4_end_lt_ip_l4;
    }
    u64 w_captured_lt_ext2_start_plus_4 = 0, w_ext2_start_at_2_16_bits_3_15_eq_0 = 0;
    if ((~w_ext1_later & w90 & w_ext2_kind_eq_44) && (~w172) && (w_l4_protocol_eq_6)) {
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
    u64 w_ext2_later = 0, w_ext2_passed = 0;
    if ((~w172) && (w_l4_protocol_eq_6)) {
        w_ext2_later = w90 & ~w_ext1_later & w_ext2_kind_eq_44 & ~w_ext2_start_at_2_16_bits_3_15_eq_0;
        w_ext2_passed = w130 & ~w_ext2_later;
    }
    u64 w_has_l4 = 0;
    if (w_l4_protocol_eq_6) {
        w_has_l4 = w_ext2_passed | w172;
    }
    u64 w_l4_end_lt_l4_plus_20 = 0;
    if (w_has_l4 & w_l4_protocol_eq_6) {
        muxcc_u16(ipv6_l4, w_ext2_whole, ext2_end, ext2_start);
        muxcc_u16(l4, w_ip, ip_l4_u16, ipv6_l4);
        EACH l4_plus_20[i] = (u16)((u32)l4[i] + 20u);
        w_l4_end_lt_l4_plus_20 = lt_u16(l4_end, l4_plus_20);
    }
    u64 w_captured_lt_l4_plus_4 = 0, w_tcp_dstport_eq_443 = 0;
    if (w_has_l4 & w_l4_protocol_eq_6 & ~w_l4_end_lt_l4_plus_20) {
        moved = reach_u16(c, l4, 2, 4);
        EACH { /* gather */
            const u8 *p = (const u8 *)(c->at[i] + l4[i]);
            tcp_dstport[i] = get_u16(p + 2);
        }
        lead_back(c, moved);
        room_u16(after_l4, c->captured, l4);
        w_captured_lt_l4_plus_4 = ltk_u8(after_l4, 4);
        settle_u16(tcp_dstport, ~w_captured_lt_l4_plus_4, 1, 0, (u16)0xffffu);
        w_tcp_dstport_eq_443 = eqk_u16(tcp_dstport, (u16)443u);
    }
    u64 rule_filter = w_has_l4 & w_l4_protocol_eq_6 & ~w_l4_end_lt_l4_plus_20 & w_tcp_dstport_eq_443;
    /* rule 0: filter */
    take(c, rule_filter, 0);
    c->chunk->malformed = 0;
    c->chunk->truncated = 0;
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
    u8 *const ip_words = c->u8_[3], *const ip_words_times_4 = c->u8_[1], *const ip_l4 = c->u8_[3];
    u8 *const l4 = c->u8_[2], *const after_l4 = c->u8_[3], *const after_ip_words_times_4 = c->u8_[3];
    u8 *const after_ip_words_times_4_2 = c->u8_[2], *const ip_words_times_4_plus_20 = c->u8_[2];
    u16 *const ethertype = c->u16_[0], *const tcp_dstport = c->u16_[0], *const ip_words_times_4_u16 = c->u16_[1];
    u16 *const ethertype_2 = c->u16_[0], *const ethertype_3 = c->u16_[1], *const ip_frag_offset = c->u16_[2];
    u16 *const event_at_18_16 = c->u16_[2], *const ip_words_times_4_plus_20_u16 = c->u16_[2];
    u32 *const raw_ethertype = c->u32_[0], *const raw_ethertype_2 = c->u32_[1], *const raw_event_at_23_8 = c->u32_[2];
    u64 moved;
    c->strays = too_short(c, 54);
    fetch_ahead(c, 0);
    read_window(c->at, 12, raw_ethertype, raw_ethertype_2, raw_event_at_23_8, NULL);
    take_u32_u16(ethertype, raw_ethertype, ALL, 0x80800001u, 1, 16, (u16)0xffffu);
    u64 w_ethertype_in_33024_34984_37120 = in_ranges_u16(ethertype, ethertype_low, ethertype_span, 3);
    u64 w_ethertype_eq_34525 = eqk_u16(ethertype, (u16)0x86ddu /* 34525 */);
    take_u32_u8(event_at_14_8, raw_ethertype, ALL, 0x80808002u, 0, 16, (u8)255u);
    u64 w_event_at_14_8_in_96_111 = rangek_u8(event_at_14_8, (u8)96u, (u8)15u);
    take_u32_u8(ext1_kind, raw_event_at_23_8, ALL, 0x80808000u, 0, 0, (u8)255u);
    u64 w_ext1_is_ext = in_ranges_u8(ext1_kind, ext1_kind_low_2, ext1_kind_span_2, 4);
    u64 w39 = w_ethertype_eq_34525 & w_event_at_14_8_in_96_111 & w_ext1_is_ext;
    u64 w238 = ~w_ethertype_in_33024_34984_37120 & ~w39;
    c->strays = (c->strays | ~(w238)) & c->live;
    if (c->strays | c->looking)
        return;
    take_u32_u8(event_at_23_8, raw_event_at_23_8, ALL, 0x80808003u, 0, 24, (u8)255u);
    u64 w_ethertype_eq_2048 = eqk_u16(ethertype, (u16)0x800u /* 2048 */);
    u64 w_event_at_14_8_in_64_79 = rangek_u8(event_at_14_8, (u8)64u, (u8)15u);
    EACH ip_words[i] = (u8)((u32)event_at_14_8[i] & 15u);
    u64 w_ip_words_lt_5 = ltk_u8(ip_words, (u8)5u);
    u64 w_ip = w_ethertype_eq_2048 & w_event_at_14_8_in_64_79 & ~w_ip_words_lt_5;
    c->chunk->punt = 0;
    /* block filter: first */
    fetch_ahead(c, 1);
    c->free = c->live;
    u64 w_event_at_23_8_eq_6 = eqk_u8(event_at_23_8, (u8)6u);
    u64 w190 = w_ethertype_eq_2048 & w_event_at_14_8_in_64_79 & ~w_ip_words_lt_5 & w_event_at_23_8_eq_6;
    u64 w_ext1_kind_eq_6 = eqk_u8(ext1_kind, (u8)6u);
    u64 w191 = ~w_ip & w_ext1_kind_eq_6;
    u64 w192 = w190 | w191;
    u64 w_captured_lt_l4_plus_4 = 0, w_ext2_passed = 0, w_captured_lt_74 = 0, w202 = 0, w_tcp_dstport_eq_443 = 0;
    if (w192) {
        EACH ip_words_times_4[i] = (u8)((u32)ip_words[i] * 4u);
        EACH ip_l4[i] = (u8)((u32)ip_words_times_4[i] + 14u);
        muxck_u8(l4, w_ip, ip_l4, (u8)54u);
        moved = reach_u8(c, l4, 2, 4);
        EACH { /* gather */
            const u8 *p = (const u8 *)(c->at[i] + l4[i]);
            tcp_dstport[i] = get_u16(p + 2);
        }
        lead_back(c, moved);
        room_u8(after_l4, c->captured, l4);
        w_captured_lt_l4_plus_4 = ltk_u8(after_l4, 4);
        settle_u16(tcp_dstport, ~w_captured_lt_l4_plus_4, 1, 0, (u16)0xffffu);
        w_ext2_passed = w_ethertype_eq_34525 & w_event_at_14_8_in_96_111;
        EACH ip_words_times_4_u16[i] = (u16)ip_words_times_4[i];
        w_captured_lt_74 = ltk_u16(c->captured, (u16)74u);
        w202 = ~w_ip & w_captured_lt_74;
        w_tcp_dstport_eq_443 = eqk_u16(tcp_dstport, (u16)443u);
    }
    u64 w_ethertype_2_eq_0 = 0, w_ethertype_2_lt_ip_words_times_4 = 0, w167 = 0, w_captured_lt_ip_words_times_4_plus_34 = 0, w_size_lt_ip_words_times_4_plus_34 = 0, w209 = 0;
    if ((w_ethertype_eq_2048 & w_event_at_14_8_in_64_79 & ~w_ip_words_lt_5) && (w192 & w_tcp_dstport_eq_443)) {
        take_u32_u16(ethertype_2, raw_ethertype_2, ALL, 0x80800001u, 1, 16, (u16)0xffffu);
        room_u8(after_ip_words_times_4, c->captured, ip_words_times_4);
        w_ethertype_2_eq_0 = eqk_u16(ethertype_2, (u16)0u);
        room_u8(after_ip_words_times_4_2, c->size, ip_words_times_4);
        w_ethertype_2_lt_ip_words_times_4 = lt_u16(ethertype_2, ip_words_times_4_u16);
        w167 = ~w_ethertype_2_eq_0 & w_ethertype_2_lt_ip_words_times_4;
        w_captured_lt_ip_words_times_4_plus_34 = ltk_u8(after_ip_words_times_4, 34);
        w_size_lt_ip_words_times_4_plus_34 = ltk_u8(after_ip_words_times_4_2, 34);
        w209 = w_ethertype_2_eq_0 & w_size_lt_ip_words_times_4_plus_34;
    }
    u64 w_ip_frag_offset_eq_0 = 0, w_captured_lt_ip_l4 = 0, w_size_lt_ip_l4 = 0, w166 = 0, w180 = 0;
    if ((~w_ext2_passed) && (w_ethertype_eq_2048 & w_event_at_14_8_in_64_79 & ~w_ip_words_lt_5) && (w192 & w_tcp_dstport_eq_443)) {
        take_u32_u16(ethertype_3, raw_event_at_23_8, ALL, 0x80800001u, 1, 16, (u16)0xffffu);
        EACH ip_frag_offset[i] = (u16)((u32)ethertype_3[i] & 0x1fffu);
        w_ip_frag_offset_eq_0 = eqk_u16(ip_frag_offset, (u16)0u);
        w_captured_lt_ip_l4 = ltk_u8(after_ip_words_times_4, 14);
        w_size_lt_ip_l4 = ltk_u8(after_ip_words_times_4_2, 14);
        w166 = w_ethertype_2_eq_0 & w_size_lt_ip_l4;
        w180 = w_captured_lt_ip_l4 | w166 | w167;
    }
    u64 w182 = 0;
    if ((~w_ext2_passed) && (w192 & w_tcp_dstport_eq_443)) {
        w182 = w_ethertype_eq_2048 & w_event_at_14_8_in_64_79 & ~w_ip_words_lt_5 & w_ip_frag_offset_eq_0 & ~w180;
    }
    u64 w_has_l4 = 0, w201 = 0;
    if (w192 & w_tcp_dstport_eq_443) {
        w_has_l4 = w_ext2_passed | w182;
        w201 = w_ethertype_eq_2048 & w_event_at_14_8_in_64_79 & ~w_ip_words_lt_5 & w_captured_lt_ip_words_times_4_plus_34;
    }
    u64 w_event_at_18_16_eq_0 = 0, w_size_lt_74 = 0, w215 = 0, w_event_at_18_16_lt_20 = 0, w216 = 0, w217 = 0, w219 = 0;
    if ((w_has_l4 & w192 & w_tcp_dstport_eq_443) && (~w201 & ~w202)) {
        take_u32_u16(event_at_18_16, raw_ethertype_2, ALL, 0x80800203u, 1, 0, (u16)0xffffu);
        w_event_at_18_16_eq_0 = eqk_u16(event_at_18_16, (u16)0u);
        w_size_lt_74 = ltk_u16(c->size, (u16)74u);
        w215 = w_event_at_18_16_eq_0 & w_size_lt_74;
        w_event_at_18_16_lt_20 = ltk_u16(event_at_18_16, (u16)20u);
        w216 = ~w_event_at_18_16_eq_0 & w_event_at_18_16_lt_20;
        w217 = w215 | w216;
        w219 = ~w_ip & w217;
    }
    u64 w_ethertype_2_lt_ip_words_times_4_plus_20 = 0, w210 = 0, w211 = 0;
    if ((w_ethertype_eq_2048 & w_event_at_14_8_in_64_79 & ~w_ip_words_lt_5) && (w_has_l4 & w192 & w_tcp_dstport_eq_443) && (~w201 & ~w202)) {
        EACH ip_words_times_4_plus_20[i] = (u8)((u32)ip_words_times_4[i] + 20u);
        EACH ip_words_times_4_plus_20_u16[i] = (u16)ip_words_times_4_plus_20[i];
        w_ethertype_2_lt_ip_words_times_4_plus_20 = lt_u16(ethertype_2, ip_words_times_4_plus_20_u16);
        w210 = ~w_ethertype_2_eq_0 & w_ethertype_2_lt_ip_words_times_4_plus_20;
        w211 = w209 | w210;
    }
    u64 w218 = 0;
    if ((w_has_l4 & w192 & w_tcp_dstport_eq_443) && (~w201 & ~w202)) {
        w218 = w_ethertype_eq_2048 & w_event_at_14_8_in_64_79 & ~w_ip_words_lt_5 & w211;
    }
    u64 w221 = 0;
    if (w_has_l4 & w192 & w_tcp_dstport_eq_443) {
        w221 = w201 | w202 | w218 | w219;
    }
    fetch_ahead(c, 2);
    fetch_ahead(c, 3);
    u64 rule_filter = w_has_l4 & w192 & ~w221 & w_tcp_dstport_eq_443;
    /* rule 0: filter */
    take(c, rule_filter, 0);
    c->chunk->malformed = 0;
    c->chunk->truncated = 0;
}


static __attribute__((noinline)) void second_0(struct columns *restrict c)
{
    u8 *const event_at_18_8 = c->u8_[0], *const ext1_kind = c->u8_[1], *const event_at_27_8 = c->u8_[2];
    u8 *const ip_words = c->u8_[3], *const ip_words_times_4 = c->u8_[1], *const ip_l4 = c->u8_[3];
    u8 *const l4 = c->u8_[2], *const after_l4 = c->u8_[3], *const after_ip_words_times_4 = c->u8_[3];
    u8 *const after_ip_words_times_4_2 = c->u8_[2], *const ip_words_times_4_plus_20 = c->u8_[2];
    u16 *const ethertype_1 = c->u16_[0], *const ethertype = c->u16_[0], *const tcp_dstport = c->u16_[0];
    u16 *const ip_words_times_4_u16 = c->u16_[1], *const ethertype_3 = c->u16_[0], *const event_at_24_16 = c->u16_[1];
    u16 *const ip_frag_offset = c->u16_[2], *const event_at_22_16 = c->u16_[2], *const ip_words_times_4_plus_20_u16 = c->u16_[2];
    u32 *const raw_ethertype_1 = c->u32_[0], *const raw_ethertype = c->u32_[1], *const raw_ethertype_3 = c->u32_[2];
    u32 *const raw_event_at_27_8 = c->u32_[3];
    u64 moved;
    c->strays = too_short(c, 54);
    fetch_ahead(c, 0);
    read_window(c->at, 12, raw_ethertype_1, raw_ethertype, raw_ethertype_3, raw_event_at_27_8);
    take_u32_u16(ethertype_1, raw_ethertype_1, ALL, 0x80800001u, 1, 16, (u16)0xffffu);
    u64 w_ethertype_1_in_33024_34984_37120 = in_ranges_u16(ethertype_1, ethertype_1_low_2, ethertype_1_span_2, 3);
    take_u32_u16(ethertype, raw_ethertype, ALL, 0x80800001u, 1, 16, (u16)0xffffu);
    u64 w_ethertype_eq_34525 = eqk_u16(ethertype, (u16)0x86ddu /* 34525 */);
    take_u32_u8(event_at_18_8, raw_ethertype, ALL, 0x80808002u, 0, 16, (u8)255u);
    u64 w_event_at_18_8_in_96_111 = rangek_u8(event_at_18_8, (u8)96u, (u8)15u);
    take_u32_u8(ext1_kind, raw_event_at_27_8, ALL, 0x80808000u, 0, 0, (u8)255u);
    u64 w_ethertype_in_33024_34984_37120 = 0, w_ext1_is_ext = 0, w242 = 0;
    if (w_ethertype_1_in_33024_34984_37120) {
        w_ethertype_in_33024_34984_37120 = in_ranges_u16(ethertype, ethertype_low_2, ethertype_span_2, 3);
        w_ext1_is_ext = in_ranges_u8(ext1_kind, ext1_kind_low_3, ext1_kind_span_3, 4);
        w242 = w_ethertype_eq_34525 & w_event_at_18_8_in_96_111 & w_ext1_is_ext;
    }
    u64 w245 = w_ethertype_1_in_33024_34984_37120 & ~w_ethertype_in_33024_34984_37120 & ~w242;
    c->strays = (c->strays | ~(w245)) & c->live;
    if (c->strays | c->looking)
        return;
    take_u32_u8(event_at_27_8, raw_event_at_27_8, ALL, 0x80808003u, 0, 24, (u8)255u);
    u64 w_ethertype_eq_2048 = eqk_u16(ethertype, (u16)0x800u /* 2048 */);
    u64 w_event_at_18_8_in_64_79 = rangek_u8(event_at_18_8, (u8)64u, (u8)15u);
    EACH ip_words[i] = (u8)((u32)event_at_18_8[i] & 15u);
    u64 w_ip_words_lt_5 = ltk_u8(ip_words, (u8)5u);
    u64 w_ip = w_ethertype_eq_2048 & w_event_at_18_8_in_64_79 & ~w_ip_words_lt_5;
    c->chunk->punt = 0;
    fetch_ahead(c, 1);
    /* block filter: first */
    c->free = c->live;
    u64 w_event_at_27_8_eq_6 = eqk_u8(event_at_27_8, (u8)6u);
    u64 w195 = w_ethertype_eq_2048 & w_event_at_18_8_in_64_79 & ~w_ip_words_lt_5 & w_event_at_27_8_eq_6;
    u64 w_ext1_kind_eq_6 = eqk_u8(ext1_kind, (u8)6u);
    u64 w196 = ~w_ip & w_ext1_kind_eq_6;
    u64 w197 = w195 | w196;
    u64 w_captured_lt_l4_plus_4 = 0, w_captured_lt_58 = 0, w_ext2_passed = 0, w_captured_lt_78 = 0, w207 = 0, w_tcp_dstport_eq_443 = 0;
    if (w197) {
        EACH ip_words_times_4[i] = (u8)((u32)ip_words[i] * 4u);
        EACH ip_l4[i] = (u8)((u32)ip_words_times_4[i] + 18u);
        muxck_u8(l4, w_ip, ip_l4, (u8)58u);
        moved = reach_u8(c, l4, 2, 4);
        EACH { /* gather */
            const u8 *p = (const u8 *)(c->at[i] + l4[i]);
            tcp_dstport[i] = get_u16(p + 2);
        }
        lead_back(c, moved);
        room_u8(after_l4, c->captured, l4);
        w_captured_lt_l4_plus_4 = ltk_u8(after_l4, 4);
        settle_u16(tcp_dstport, ~w_captured_lt_l4_plus_4, 1, 0, (u16)0xffffu);
        w_captured_lt_58 = ltk_u16(c->captured, (u16)58u);
        w_ext2_passed = w_ethertype_eq_34525 & w_event_at_18_8_in_96_111 & ~w_captured_lt_58;
        EACH ip_words_times_4_u16[i] = (u16)ip_words_times_4[i];
        w_captured_lt_78 = ltk_u16(c->captured, (u16)78u);
        w207 = ~w_ip & w_captured_lt_78;
        w_tcp_dstport_eq_443 = eqk_u16(tcp_dstport, (u16)443u);
    }
    u64 w_ethertype_3_eq_0 = 0, w_ethertype_3_lt_ip_words_times_4 = 0, w172 = 0, w_captured_lt_ip_words_times_4_plus_38 = 0, w_size_lt_ip_words_times_4_plus_38 = 0, w214 = 0;
    if ((w_ethertype_eq_2048 & w_event_at_18_8_in_64_79 & ~w_ip_words_lt_5) && (w197 & w_tcp_dstport_eq_443)) {
        take_u32_u16(ethertype_3, raw_ethertype_3, ALL, 0x80800001u, 1, 16, (u16)0xffffu);
        room_u8(after_ip_words_times_4, c->captured, ip_words_times_4);
        w_ethertype_3_eq_0 = eqk_u16(ethertype_3, (u16)0u);
        room_u8(after_ip_words_times_4_2, c->size, ip_words_times_4);
        w_ethertype_3_lt_ip_words_times_4 = lt_u16(ethertype_3, ip_words_times_4_u16);
        w172 = ~w_ethertype_3_eq_0 & w_ethertype_3_lt_ip_words_times_4;
        w_captured_lt_ip_words_times_4_plus_38 = ltk_u8(after_ip_words_times_4, 38);
        w_size_lt_ip_words_times_4_plus_38 = ltk_u8(after_ip_words_times_4_2, 38);
        w214 = w_ethertype_3_eq_0 & w_size_lt_ip_words_times_4_plus_38;
    }
    u64 w_ip_frag_offset_eq_0 = 0, w_captured_lt_ip_l4 = 0, w_size_lt_ip_l4 = 0, w171 = 0, w185 = 0;
    if ((~w_ext2_passed) && (w_ethertype_eq_2048 & w_event_at_18_8_in_64_79 & ~w_ip_words_lt_5) && (w197 & w_tcp_dstport_eq_443)) {
        take_u32_u16(event_at_24_16, raw_event_at_27_8, ALL, 0x80800001u, 1, 16, (u16)0xffffu);
        EACH ip_frag_offset[i] = (u16)((u32)event_at_24_16[i] & 0x1fffu);
        w_ip_frag_offset_eq_0 = eqk_u16(ip_frag_offset, (u16)0u);
        w_captured_lt_ip_l4 = ltk_u8(after_ip_words_times_4, 18);
        w_size_lt_ip_l4 = ltk_u8(after_ip_words_times_4_2, 18);
        w171 = w_ethertype_3_eq_0 & w_size_lt_ip_l4;
        w185 = w_captured_lt_ip_l4 | w171 | w172;
    }
    u64 w187 = 0;
    if ((~w_ext2_passed) && (w197 & w_tcp_dstport_eq_443)) {
        w187 = w_ethertype_eq_2048 & w_event_at_18_8_in_64_79 & ~w_ip_words_lt_5 & w_ip_frag_offset_eq_0 & ~w185;
    }
    u64 w_has_l4 = 0, w206 = 0;
    if (w197 & w_tcp_dstport_eq_443) {
        w_has_l4 = w_ext2_passed | w187;
        w206 = w_ethertype_eq_2048 & w_event_at_18_8_in_64_79 & ~w_ip_words_lt_5 & w_captured_lt_ip_words_times_4_plus_38;
    }
    u64 w_event_at_22_16_eq_0 = 0, w_size_lt_78 = 0, w220 = 0, w_event_at_22_16_lt_20 = 0, w221 = 0, w222 = 0, w224 = 0;
    if ((w_has_l4 & w197 & w_tcp_dstport_eq_443) && (~w206 & ~w207)) {
        take_u32_u16(event_at_22_16, raw_ethertype_3, ALL, 0x80800203u, 1, 0, (u16)0xffffu);
        w_event_at_22_16_eq_0 = eqk_u16(event_at_22_16, (u16)0u);
        w_size_lt_78 = ltk_u16(c->size, (u16)78u);
        w220 = w_event_at_22_16_eq_0 & w_size_lt_78;
        w_event_at_22_16_lt_20 = ltk_u16(event_at_22_16, (u16)20u);
        w221 = ~w_event_at_22_16_eq_0 & w_event_at_22_16_lt_20;
        w222 = w220 | w221;
        w224 = ~w_ip & w222;
    }
    u64 w_ethertype_3_lt_ip_words_times_4_plus_20 = 0, w215 = 0, w216 = 0;
    if ((w_ethertype_eq_2048 & w_event_at_18_8_in_64_79 & ~w_ip_words_lt_5) && (w_has_l4 & w197 & w_tcp_dstport_eq_443) && (~w206 & ~w207)) {
        EACH ip_words_times_4_plus_20[i] = (u8)((u32)ip_words_times_4[i] + 20u);
        EACH ip_words_times_4_plus_20_u16[i] = (u16)ip_words_times_4_plus_20[i];
        w_ethertype_3_lt_ip_words_times_4_plus_20 = lt_u16(ethertype_3, ip_words_times_4_plus_20_u16);
        w215 = ~w_ethertype_3_eq_0 & w_ethertype_3_lt_ip_words_times_4_plus_20;
        w216 = w214 | w215;
    }
    u64 w223 = 0;
    if ((w_has_l4 & w197 & w_tcp_dstport_eq_443) && (~w206 & ~w207)) {
        w223 = w_ethertype_eq_2048 & w_event_at_18_8_in_64_79 & ~w_ip_words_lt_5 & w216;
    }
    u64 w226 = 0;
    if (w_has_l4 & w197 & w_tcp_dstport_eq_443) {
        w226 = w206 | w207 | w223 | w224;
    }
    fetch_ahead(c, 2);
    fetch_ahead(c, 3);
    u64 rule_filter = w_has_l4 & w197 & ~w226 & w_tcp_dstport_eq_443;
    /* rule 0: filter */
    take(c, rule_filter, 0);
    c->chunk->malformed = 0;
    c->chunk->truncated = 0;
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
const struct sm_info sm_info = {SM_ABI, RULES, FIRED_MAX, 0, 0, 0, LEVEL, 0, "39a860168ca471b639f3507dd8c916bbf9825c2f47df2e84bbf0962e52742316"};

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
    (void)context;
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
