/* ---- Lanes: operations on columns of 64 values and on words of 64 bits, one bit a lane -------------------------- */

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "this engine is written for little-endian machines"
#endif
#if SM_AVX512 /* asked for, by who brings intrinsics of his own */
#include <immintrin.h>
#elif defined(__AVX512BW__) && defined(__AVX512VL__) && defined(__AVX512DQ__) && defined(__BMI2__) && !defined(SM_PORTABLE)
#include <immintrin.h>
#define SM_AVX512 1
#elif defined(__AVX2__) && !defined(SM_PORTABLE)
#include <immintrin.h>
#define SM_AVX2 1
#elif defined(__aarch64__) && defined(__ARM_NEON) && !defined(SM_PORTABLE)
#include <arm_neon.h>
#define SM_NEON 1
#endif

#if SM_AVX512
#define LEVEL SM_LEVEL_AVX512
#elif SM_AVX2
#define LEVEL SM_LEVEL_AVX2
#elif SM_NEON
#define LEVEL SM_LEVEL_NEON
#else
#define LEVEL SM_LEVEL_PLAIN
#endif

/* What is filled before the first call: when the engine is loaded or, if it is one of several in an object, chosen. */
#ifdef SM_SEVERAL
#define AT_LOAD
#else
#define AT_LOAD __attribute__((constructor))
#endif

#if SM_AVX512 && defined(__GNUC__) && !defined(__clang__)
#pragma GCC target("prefer-vector-width=512")
#endif

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;
__extension__ typedef unsigned __int128 u128;
__extension__ typedef __int128 s128;

#define INLINE static inline __attribute__((unused)) /* an engine uses the operations that its rules need */
#define LANES 64u
#define EACH for (unsigned i = 0; i < LANES; i++)
#define ALL (~UINT64_C(0))
#define U128(high, low) ((u128)UINT64_C(high) << 64 | UINT64_C(low))
#define COMMA ,
#define ALIGNED __attribute__((aligned(64)))

INLINE u16 swap_u16(u16 x) { return __builtin_bswap16(x); }
INLINE u32 swap_u32(u32 x) { return __builtin_bswap32(x); }
INLINE u64 swap_u64(u64 x) { return __builtin_bswap64(x); }
INLINE u128 swap_u128(u128 x) { return (u128)swap_u64((u64)x) << 64 | swap_u64((u64)(x >> 64)); }

/* Bytes of a packet, at any alignment, in memory order. */
INLINE u8 get_u8(const u8 *p) { return *p; }
INLINE u16 get_u16(const u8 *p) { u16 x; memcpy(&x, p, sizeof x); return x; }
INLINE u32 get_u32(const u8 *p) { u32 x; memcpy(&x, p, sizeof x); return x; }
INLINE u64 get_u64(const u8 *p) { u64 x; memcpy(&x, p, sizeof x); return x; }
INLINE u128 get_u128(const u8 *p) { u128 x; memcpy(&x, p, sizeof x); return x; }

/* 64 bytes, each 0 or 1, to a word, and back. */
INLINE u64 pack(const u8 *b)
{
#if SM_AVX512
    return _mm512_test_epi8_mask(_mm512_load_si512((const void *)b), _mm512_set1_epi8(1));
#elif SM_AVX2
    __m256i low = _mm256_slli_epi16(_mm256_load_si256((const __m256i *)(const void *)b), 7);
    __m256i high = _mm256_slli_epi16(_mm256_load_si256((const __m256i *)(const void *)(b + 32)), 7);
    return (u64)(u32)_mm256_movemask_epi8(high) << 32 | (u32)_mm256_movemask_epi8(low);
#elif SM_NEON /* each byte times its bit, then sums of 2, 4 and 8 neighbours */
    const uint8x16_t bit = vreinterpretq_u8_u64(vdupq_n_u64(UINT64_C(0x8040201008040201)));
    uint8x16_t low = vpaddq_u8(vmulq_u8(vld1q_u8(b), bit), vmulq_u8(vld1q_u8(b + 16), bit));
    uint8x16_t high = vpaddq_u8(vmulq_u8(vld1q_u8(b + 32), bit), vmulq_u8(vld1q_u8(b + 48), bit));
    uint8x16_t all = vpaddq_u8(low, high);
    return vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(all, all)), 0);
#else
    u64 word = 0;
    for (unsigned j = 0; j < 8; j++)
        word |= get_u64(b + 8 * j) * UINT64_C(0x0102040810204080) >> 56 << (8 * j);
    return word;
#endif
}

#if SM_NEON
/* 16 lanes from lane 16 * j on, each 0 or all ones. */
INLINE uint8x16_t spread(u64 word, unsigned j)
{
    const uint8x16_t bit = vreinterpretq_u8_u64(vdupq_n_u64(UINT64_C(0x8040201008040201)));
    return vtstq_u8(vcombine_u8(vdup_n_u8((u8)(word >> 16 * j)), vdup_n_u8((u8)(word >> (16 * j + 8)))), bit);
}
#endif

INLINE void expand_u8(u8 *out, u64 word)
{
#if SM_AVX512
    _mm512_store_si512((void *)out, _mm512_maskz_set1_epi8(word, 1));
#elif SM_NEON
    for (unsigned j = 0; j < 4; j++)
        vst1q_u8(out + 16 * j, vandq_u8(spread(word, j), vdupq_n_u8(1)));
#else
    for (unsigned j = 0; j < 8; j++) {
        u64 spread = (word >> (8 * j) & 0xff) * UINT64_C(0x0101010101010101) & UINT64_C(0x8040201008040201);
        spread = (spread + UINT64_C(0x7f7f7f7f7f7f7f7f)) >> 7 & UINT64_C(0x0101010101010101);
        memcpy(out + 8 * j, &spread, sizeof spread);
    }
#endif
}

/* A word to 64 bytes, each 0 or all ones. */
INLINE void expand_mask(u8 *out, u64 word)
{
#if SM_AVX512
    _mm512_store_si512((void *)out, _mm512_movm_epi8(word));
#elif SM_AVX2
    const __m256i from = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    const __m256i bit = _mm256_set1_epi64x((long long)UINT64_C(0x8040201008040201));
    for (unsigned j = 0; j < 2; j++) {
        __m256i x = _mm256_shuffle_epi8(_mm256_set1_epi32((int)(u32)(word >> 32 * j)), from);
        _mm256_store_si256((__m256i *)(void *)(out + 32 * j), _mm256_cmpeq_epi8(_mm256_and_si256(x, bit), bit));
    }
#elif SM_NEON
    for (unsigned j = 0; j < 4; j++)
        vst1q_u8(out + 16 * j, spread(word, j));
#else
    expand_u8(out, word);
    EACH out[i] = (u8)-out[i];
#endif
}

/* x where the flag is all ones, else y. Compilers make vectors of masks and jumps of choices; no vector holds 128 bits. */
#define WHERE(U, flag) ((U)(s8)(flag))
#define PICK(T, U, flag, x, y) \
    (sizeof(T) > 8 ? (flag) ? (x) : (y) : (T)((((U)(x) ^ (U)(y)) & WHERE(U, flag)) ^ (U)(y)))
#define KEEP(U, flag, x) (sizeof(U) > 8 ? (flag) ? (x) : 0 : (U)((x) & WHERE(U, flag)))

/* Whether that is known while compiling. */
#define IS_ALL(word) (__builtin_constant_p(word) && (word) == ALL)

/* What any machine does. NAME_T: two columns; NAMEk_T: a column and a constant. */
#define COMPARE_LOOP(T, NAME, PARAMETER, TEST) \
    INLINE u64 NAME##_##T(const T *a, PARAMETER) \
    { u8 b[LANES] ALIGNED; EACH b[i] = (u8)(TEST); return pack(b); }
#define LOOPS(T, U) \
    COMPARE_LOOP(T, eq, const T *b_, a[i] == b_[i]) \
    COMPARE_LOOP(T, lt, const T *b_, a[i] < b_[i]) \
    COMPARE_LOOP(T, eqk, T k, a[i] == k) \
    COMPARE_LOOP(T, ltk, T k, a[i] < k) \
    COMPARE_LOOP(T, gtk, T k, a[i] > k) \
    COMPARE_LOOP(T, testk, U k, ((U)a[i] & k) != 0) \
    INLINE u64 rangek_##T(const T *a, T low, U span) \
    { u8 b[LANES] ALIGNED; EACH b[i] = (U)((U)a[i] - (U)low) <= span; return pack(b); }
#define SETTLE_LOOP(T, U) \
    INLINE void settle_##T(T *a, u64 word, int swap, unsigned shift, T mask) \
    { u8 b[LANES] ALIGNED; \
      if (IS_ALL(word) && swap) EACH a[i] = (T)(swap_##T(a[i]) >> shift) & mask; \
      else if (IS_ALL(word)) EACH a[i] &= mask; \
      else { \
          expand_mask(b, word); \
          if (swap) EACH a[i] = KEEP(T, b[i], (T)(swap_##T(a[i]) >> shift) & mask); \
          else EACH a[i] = KEEP(T, b[i], a[i] & mask); } }
#define MUX_LOOP(T, U, FORM, THEN_T, THEN, ELSE_T, ELSE) \
    INLINE void mux##FORM##_##T(T *out, u64 word, THEN_T t, ELSE_T f) \
    { u8 b[LANES] ALIGNED; expand_mask(b, word); \
      EACH out[i] = PICK(T, U, b[i], THEN, ELSE); }
#define MUX_LOOPS(T, U) \
    MUX_LOOP(T, U, cc, const T *, t[i], const T *, f[i]) MUX_LOOP(T, U, ck, const T *, t[i], T, f) \
    MUX_LOOP(T, U, kc, T, t, const T *, f[i]) MUX_LOOP(T, U, kk, T, t, T, f)

#if SM_AVX512
/* T, bits, signed or unsigned compare. A column is B / 8 registers of 512 / B lanes. */
#define REGISTER(T, a, B) _mm512_load_si512((const void *)((a) + j * (512 / (B))))
#define COMPARE_512(T, B, NAME, PARAMETER, TEST) \
    INLINE u64 NAME##_##T(const T *a, PARAMETER) \
    { u64 w = 0; for (unsigned j = 0; j < (B) / 8; j++) w |= (u64)TEST << (j * (512 / (B)) & 63); return w; }
#define LANES_512(T, U, B, S, SET) \
    COMPARE_512(T, B, eq, const T *b, _mm512_cmpeq_ep##S##B##_mask(REGISTER(T, a, B), REGISTER(T, b, B))) \
    COMPARE_512(T, B, lt, const T *b, _mm512_cmplt_ep##S##B##_mask(REGISTER(T, a, B), REGISTER(T, b, B))) \
    COMPARE_512(T, B, eqk, T k, _mm512_cmpeq_ep##S##B##_mask(REGISTER(T, a, B), SET(k))) \
    COMPARE_512(T, B, ltk, T k, _mm512_cmplt_ep##S##B##_mask(REGISTER(T, a, B), SET(k))) \
    COMPARE_512(T, B, gtk, T k, _mm512_cmpgt_ep##S##B##_mask(REGISTER(T, a, B), SET(k))) \
    COMPARE_512(T, B, testk, U k, _mm512_test_epi##B##_mask(REGISTER(T, a, B), SET(k))) \
    INLINE u64 rangek_##T(const T *a, T low, U span) \
    { u64 w = 0; for (unsigned j = 0; j < (B) / 8; j++) \
        w |= (u64)_mm512_cmple_epu##B##_mask(_mm512_sub_epi##B(REGISTER(T, a, B), SET(low)), SET(span)) \
             << (j * (512 / (B)) & 63); \
      return w; } \
    MUX_512(T, B, cc, const T *, REGISTER(T, t, B), const T *, REGISTER(T, f, B)) \
    MUX_512(T, B, ck, const T *, REGISTER(T, t, B), T, SET(f)) \
    MUX_512(T, B, kc, T, SET(t), const T *, REGISTER(T, f, B)) \
    MUX_512(T, B, kk, T, SET(t), T, SET(f))
#define MUX_512(T, B, FORM, THEN_T, THEN, ELSE_T, ELSE) \
    INLINE void mux##FORM##_##T(T *out, u64 word, THEN_T t, ELSE_T f) \
    { for (unsigned j = 0; j < (B) / 8; j++) \
        _mm512_store_si512((void *)(out + j * (512 / (B))), \
            _mm512_mask_blend_epi##B((__mmask##B##_lanes)(word >> (j * (512 / (B)) & 63)), ELSE, THEN)); }
typedef __mmask64 __mmask8_lanes;
typedef __mmask32 __mmask16_lanes;
typedef __mmask16 __mmask32_lanes;
typedef __mmask8 __mmask64_lanes;
#define SET_8(x) _mm512_set1_epi8((char)(x))
#define SET_16(x) _mm512_set1_epi16((short)(x))
#define SET_32(x) _mm512_set1_epi32((int)(x))
#define SET_64(x) _mm512_set1_epi64((long long)(x))
LANES_512(u8, u8, 8, u, SET_8) LANES_512(s8, u8, 8, i, SET_8)
LANES_512(u16, u16, 16, u, SET_16) LANES_512(s16, u16, 16, i, SET_16)
LANES_512(u32, u32, 32, u, SET_32) LANES_512(s32, u32, 32, i, SET_32)
LANES_512(u64, u64, 64, u, SET_64) LANES_512(s64, u64, 64, i, SET_64)

/* Reverses the bytes of every 16, 32, 64 or 128-bit group. */
INLINE __m512i swapped(__m512i x, unsigned bytes)
{
    const __m128i at = _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    return _mm512_shuffle_epi8(x, _mm512_broadcast_i32x4(_mm_xor_si128(at, _mm_set1_epi8((char)(bytes - 1)))));
}
#define SETTLE_512(T, B, SHIFT, SET) \
    INLINE void settle_##T(T *a, u64 word, int swap, unsigned shift, T mask) \
    { for (unsigned j = 0; j < (B) / 8; j++) { \
        __m512i x = REGISTER(T, a, B); \
        if (swap) x = swapped(x, (B) / 8); \
        if (shift) x = SHIFT(x, shift); \
        if (mask != (T)~(T)0) x = _mm512_and_si512(x, SET(mask)); \
        _mm512_store_si512((void *)(a + j * (512 / (B))), \
            _mm512_maskz_mov_epi##B((__mmask##B##_lanes)(word >> (j * (512 / (B)) & 63)), x)); } }
INLINE void settle_u8(u8 *a, u64 word, int swap, unsigned shift, u8 mask)
{
    (void)swap, (void)shift, (void)mask;
    _mm512_store_si512((void *)a, _mm512_maskz_mov_epi8(word, _mm512_load_si512((const void *)a)));
}
SETTLE_512(u16, 16, _mm512_srli_epi16, SET_16)
SETTLE_512(u32, 32, _mm512_srli_epi32, SET_32)
SETTLE_512(u64, 64, _mm512_srli_epi64, SET_64)

/* A value out of bytes that were read together: by the shuffle pattern of one lane, then to its own width. */
INLINE __m512i lane_starts(unsigned bytes)
{
    const __m128i at = _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    return _mm512_broadcast_i32x4(_mm_and_si128(at, _mm_set1_epi8((char)(16 - bytes))));
}
#define TAKE_512(R, RB, T, VECTOR, STORE, CONVERT) \
    INLINE void take_##R##_##T(T *restrict out, const R *restrict raw, u64 word, R pattern, int swap, \
                                      unsigned shift, T mask) \
    { const __m512i from = _mm512_add_epi8(SET_##RB(pattern), lane_starts(RB / 8)); \
      (void)swap, (void)shift, (void)mask; \
      for (unsigned j = 0; j < RB / 8; j++) \
        STORE((VECTOR *)(void *)(out + j * (512 / RB)), \
              CONVERT((__mmask##RB##_lanes)(word >> (j * (512 / RB))), \
                      _mm512_shuffle_epi8(REGISTER(R, raw, RB), from))); }
TAKE_512(u16, 16, u8, __m256i, _mm256_store_si256, _mm512_maskz_cvtepi16_epi8)
TAKE_512(u16, 16, u16, __m512i, _mm512_store_si512, _mm512_maskz_mov_epi16)
TAKE_512(u32, 32, u8, __m128i, _mm_store_si128, _mm512_maskz_cvtepi32_epi8)
TAKE_512(u32, 32, u16, __m256i, _mm256_store_si256, _mm512_maskz_cvtepi32_epi16)
TAKE_512(u32, 32, u32, __m512i, _mm512_store_si512, _mm512_maskz_mov_epi32)

/* 128-bit lanes: two 64-bit halves each. */
INLINE u64 both_halves(__mmask8 m) { return _pext_u32((u32)m & (u32)m >> 1, 0x55); }
INLINE u64 eq_u128(const u128 *a, const u128 *b)
{
    u64 w = 0;
    for (unsigned j = 0; j < 16; j++)
        w |= both_halves(_mm512_cmpeq_epi64_mask(REGISTER(u128, a, 128), REGISTER(u128, b, 128))) << 4 * j;
    return w;
}
INLINE u64 eqk_u128(const u128 *a, u128 k)
{
    const __m512i all = _mm512_broadcast_i64x2(_mm_set_epi64x((long long)(u64)(k >> 64), (long long)(u64)k));
    u64 w = 0;
    for (unsigned j = 0; j < 16; j++)
        w |= both_halves(_mm512_cmpeq_epi64_mask(REGISTER(u128, a, 128), all)) << 4 * j;
    return w;
}
INLINE void settle_u128(u128 *a, u64 word, int swap, unsigned shift, u128 mask)
{
    for (unsigned j = 0; j < 16; j++) {
        __m512i x = REGISTER(u128, a, 128);
        if (swap)
            x = swapped(x, 16);
        x = _mm512_maskz_mov_epi64((__mmask8)(_pdep_u32((u32)(word >> 4 * j), 0x55) * 3), x);
        _mm512_store_si512((void *)(a + 4 * j), x);
    }
    if (shift)
        EACH a[i] >>= shift;
    if (mask != ~(u128)0)
        EACH a[i] &= mask;
}
#define LOOPS_128(T, U) \
    COMPARE_LOOP(T, lt, const T *b_, a[i] < b_[i]) \
    COMPARE_LOOP(T, ltk, T k, a[i] < k) \
    COMPARE_LOOP(T, gtk, T k, a[i] > k) \
    COMPARE_LOOP(T, testk, U k, ((U)a[i] & k) != 0) \
    INLINE u64 rangek_##T(const T *a, T low, U span) \
    { u8 b[LANES] ALIGNED; EACH b[i] = (U)((U)a[i] - (U)low) <= span; return pack(b); }
LOOPS_128(u128, u128)
LOOPS_128(s128, u128)
COMPARE_LOOP(s128, eq, const s128 *b_, a[i] == b_[i])
COMPARE_LOOP(s128, eqk, s128 k, a[i] == k)
MUX_LOOPS(u128, u128)
MUX_LOOPS(s128, u128)
#else
#if SM_AVX2
#include "engine_avx2.h"
#else
LOOPS(u8, u8) LOOPS(s8, u8) LOOPS(u16, u16) LOOPS(s16, u16) LOOPS(u32, u32) LOOPS(s32, u32)
#endif
LOOPS(u64, u64) LOOPS(s64, u64) LOOPS(u128, u128) LOOPS(s128, u128)
MUX_LOOPS(u8, u8) MUX_LOOPS(s8, u8) MUX_LOOPS(u16, u16) MUX_LOOPS(s16, u16)
MUX_LOOPS(u32, u32) MUX_LOOPS(s32, u32) MUX_LOOPS(u64, u64) MUX_LOOPS(s64, u64)
MUX_LOOPS(u128, u128) MUX_LOOPS(s128, u128)
INLINE u8 swap_u8(u8 x) { return x; }
#if !SM_AVX2
#define TAKE_LOOP(R, T) \
    INLINE void take_##R##_##T(T *restrict out, const R *restrict raw, u64 word, R pattern, int swap, \
                                      unsigned shift, T mask) \
    { u8 b[LANES] ALIGNED; expand_mask(b, word); (void)pattern; \
      if (swap) EACH out[i] = KEEP(T, b[i], (T)(swap_##R(raw[i]) >> shift) & mask); \
      else EACH out[i] = KEEP(T, b[i], (T)(raw[i] >> shift) & mask); }
TAKE_LOOP(u16, u8) TAKE_LOOP(u16, u16) TAKE_LOOP(u32, u8) TAKE_LOOP(u32, u16) TAKE_LOOP(u32, u32)
#endif
SETTLE_LOOP(u8, u8) SETTLE_LOOP(u16, u16) SETTLE_LOOP(u32, u32) SETTLE_LOOP(u64, u64) SETTLE_LOOP(u128, u128)
#endif

/* Many constants against one column, and sets. Ranges are [low, low + span]; lows ascend. */
#define TABLES(T, U) \
    INLINE void eq_each_##T(u64 *out, const T *a, const T *k, unsigned count) \
    { for (unsigned r = 0; r < count; r++) out[r] = eqk_##T(a, k[r]); } \
    INLINE void lt_each_##T(u64 *out, const T *a, const T *k, unsigned count) \
    { for (unsigned r = 0; r < count; r++) out[r] = ltk_##T(a, k[r]); } \
    INLINE void gt_each_##T(u64 *out, const T *a, const T *k, unsigned count) \
    { for (unsigned r = 0; r < count; r++) out[r] = gtk_##T(a, k[r]); } \
    INLINE void range_each_##T(u64 *out, const T *a, const T *low, const U *span, unsigned count) \
    { for (unsigned r = 0; r < count; r++) out[r] = rangek_##T(a, low[r], span[r]); } \
    INLINE u64 in_ranges_##T(const T *a, const T *low, const U *span, unsigned count) \
    { u64 w = 0; for (unsigned r = 0; r < count; r++) w |= rangek_##T(a, low[r], span[r]); return w; } \
    INLINE u64 in_sorted_##T(const T *a, const T *low, const U *span, unsigned count, unsigned half) \
    { u8 b[LANES] ALIGNED; \
      EACH { unsigned at = 0; \
        for (unsigned step = half; step; step >>= 1) \
            at += at + step <= count && low[at + step - 1 < count ? at + step - 1 : 0] <= a[i] ? step : 0; \
        unsigned r = at ? at - 1 : 0; \
        b[i] = (u8)((at != 0) & ((U)((U)a[i] - (U)low[r]) <= span[r])); } \
      return pack(b); }
TABLES(u8, u8) TABLES(s8, u8) TABLES(u16, u16) TABLES(s16, u16) TABLES(u32, u32) TABLES(s32, u32)
TABLES(u64, u64) TABLES(s64, u64) TABLES(u128, u128) TABLES(s128, u128)
#define BITMAP(T, U) \
    INLINE u64 in_bitmap_##T(const T *a, const u64 *map) \
    { u8 b[LANES] ALIGNED; EACH b[i] = (u8)(map[(U)a[i] >> 6] >> ((U)a[i] & 63) & 1); return pack(b); }
BITMAP(u8, u8) BITMAP(s8, u8) BITMAP(u16, u16) BITMAP(s16, u16)

/* Room: how far x reaches past the base, at most 255. */
#if SM_AVX512
#define LEFT_512(x, base) _mm512_cvtusepi16_epi8(_mm512_subs_epu16(REGISTER(u16, x, 16), base))
#define ROOM(NAME, PARAMETER, BASE_512, BASE_256, BASE) \
    INLINE void NAME(u8 *restrict out, const u16 *restrict x PARAMETER) \
    { for (unsigned j = 0; j < 2; j++) \
        _mm256_store_si256((__m256i *)(void *)(out + 32 * j), LEFT_512(x, BASE_512)); }
#elif SM_AVX2
#define ROOM(NAME, PARAMETER, BASE_512, BASE_256, BASE) \
    INLINE void NAME(u8 *restrict out, const u16 *restrict x PARAMETER) \
    { for (unsigned j = 0; j < 4; j += 2) \
        REGISTER_256(out, j / 2) = bytes_256(_mm256_subs_epu16(REGISTER_256(x, j), BASE_256(j)), \
                                             _mm256_subs_epu16(REGISTER_256(x, j + 1), BASE_256(j + 1))); }
#else
#define ROOM(NAME, PARAMETER, BASE_512, BASE_256, BASE) \
    INLINE void NAME(u8 *restrict out, const u16 *restrict x PARAMETER) \
    { EACH { const u16 from = BASE, left = (u16)((x[i] > from ? x[i] : from) - from); \
             out[i] = (u8)(left < 255 ? left : 255); } }
#endif
#define ZERO_512 _mm512_setzero_si512()
#define ZERO_256(j) _mm256_setzero_si256()
#define BYTES_512 _mm512_cvtepu8_epi16(_mm256_load_si256((const __m256i *)(const void *)(base + 32 * j)))
#define BYTES_256(j) _mm256_cvtepu8_epi16(_mm_load_si128((const __m128i *)(const void *)(base + 16 * (j))))
#define WORDS_512 REGISTER(u16, base, 16)
#define WORDS_256(j) REGISTER_256(base, j)
ROOM(clamp_u16, , ZERO_512, ZERO_256, 0)
ROOM(room_u8, COMMA const u8 *restrict base, BYTES_512, BYTES_256, base[i])
ROOM(room_u16, COMMA const u16 *restrict base, WORDS_512, WORDS_256, base[i])
