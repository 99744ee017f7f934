/* ---- Comparisons with AVX2: lanes of 8, 16 and 32 bits, straight to a word -------------------------------------- */

/* 64 lanes of all ones or 0, in registers of 8, 16 or 32 bits a lane, to a word. Packing works on halves of registers,
   which leaves the lanes in another order. */
INLINE u64 word_8(const __m256i *m)
{
    return (u64)(u32)_mm256_movemask_epi8(m[1]) << 32 | (u32)_mm256_movemask_epi8(m[0]);
}
INLINE u64 word_16(const __m256i *m)
{
    return word_8((const __m256i[]){_mm256_permute4x64_epi64(_mm256_packs_epi16(m[0], m[1]), 0xd8),
                                    _mm256_permute4x64_epi64(_mm256_packs_epi16(m[2], m[3]), 0xd8)});
}
INLINE u64 word_32(const __m256i *m)
{
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    __m256i x[4];
    for (unsigned j = 0; j < 4; j++)
        x[j] = _mm256_packs_epi32(m[2 * j], m[2 * j + 1]);
    return word_8((const __m256i[]){_mm256_permutevar8x32_epi32(_mm256_packs_epi16(x[0], x[1]), order),
                                    _mm256_permutevar8x32_epi32(_mm256_packs_epi16(x[2], x[3]), order)});
}

/* ``x`` is a register of ``a``. Only signed values can be told greater, so of unsigned ones the lesser is compared. */
#define COMPARE_256(T, B, NAME, PARAMETER, NOT, TEST) \
    INLINE u64 NAME##_##T(const T *a, PARAMETER) \
    { __m256i m[(B) / 4]; \
      for (unsigned j = 0; j < (B) / 4; j++) { const __m256i x = AT_256(a, B); m[j] = TEST; } \
      return NOT word_##B(m); }
#define AT_256(a, B) _mm256_load_si256((const __m256i *)(const void *)((a) + j * (256 / (B))))
#define SET_8(x) _mm256_set1_epi8((char)(x))
#define SET_16(x) _mm256_set1_epi16((short)(x))
#define SET_32(x) _mm256_set1_epi32((int)(x))
#define EQUAL(B, x, y) _mm256_cmpeq_epi##B(x, y)
#define UP_TO(B, x, y) EQUAL(B, _mm256_min_epu##B(x, y), x)
#define ANY_256(T, U, B) \
    COMPARE_256(T, B, eq, const T *b, , EQUAL(B, x, AT_256(b, B))) \
    COMPARE_256(T, B, eqk, T k, , EQUAL(B, x, SET_##B(k))) \
    COMPARE_256(T, B, testk, U k, ~, EQUAL(B, _mm256_and_si256(x, SET_##B(k)), _mm256_setzero_si256())) \
    COMPARE_256(T, B, rangek, T low COMMA U span, , UP_TO(B, _mm256_sub_epi##B(x, SET_##B(low)), SET_##B(span)))
#define UNSIGNED_256(T, B) ANY_256(T, T, B) \
    COMPARE_256(T, B, lt, const T *b, ~, UP_TO(B, AT_256(b, B), x)) \
    COMPARE_256(T, B, ltk, T k, ~, UP_TO(B, SET_##B(k), x)) \
    COMPARE_256(T, B, gtk, T k, ~, UP_TO(B, x, SET_##B(k)))
#define SIGNED_256(T, U, B) ANY_256(T, U, B) \
    COMPARE_256(T, B, lt, const T *b, , _mm256_cmpgt_epi##B(AT_256(b, B), x)) \
    COMPARE_256(T, B, ltk, T k, , _mm256_cmpgt_epi##B(SET_##B(k), x)) \
    COMPARE_256(T, B, gtk, T k, , _mm256_cmpgt_epi##B(x, SET_##B(k)))
UNSIGNED_256(u8, 8) UNSIGNED_256(u16, 16) UNSIGNED_256(u32, 32)
SIGNED_256(s8, u8, 8) SIGNED_256(s16, u16, 16) SIGNED_256(s32, u32, 32)

#define REGISTER_256(a, j) (((__m256i *)(uintptr_t)(a))[j])

/* Two registers of 16-bit values to bytes; larger ones become 255. */
INLINE __m256i bytes_256(__m256i x, __m256i y)
{
    const __m256i most = _mm256_set1_epi16(255);
    return _mm256_permute4x64_epi64(_mm256_packus_epi16(_mm256_min_epu16(x, most), _mm256_min_epu16(y, most)), 0xd8);
}

/* A value out of bytes that were read together: by the shuffle pattern of one lane, then to its own width. Registers of
   wide lanes give a part of each half of a register of narrow ones. */
#define NONE_64 (-0x7f7f7f7f7f7f7f80LL) /* a zero byte eight times */
#define LOW_64(x) _mm256_setr_epi64x((long long)(x), NONE_64, (long long)(x), NONE_64)
#define HIGH_64(x) _mm256_setr_epi64x(NONE_64, (long long)(x), NONE_64, (long long)(x))
#define BOTH_64(x, y) _mm256_setr_epi64x((long long)(x), (long long)(y), (long long)(x), (long long)(y))
INLINE __m256i taken_u32_u8(const u32 *raw, u32 pattern)
{
    const u64 from = (pattern & 0xff) * 0x01010101u + 0x0c080400u, none = 0x80808080u;
    const __m256i first = _mm256_shuffle_epi8(REGISTER_256(raw, 0), LOW_64(none << 32 | from));
    const __m256i second = _mm256_shuffle_epi8(REGISTER_256(raw, 1), LOW_64(from << 32 | none));
    const __m256i third = _mm256_shuffle_epi8(REGISTER_256(raw, 2), HIGH_64(none << 32 | from));
    const __m256i fourth = _mm256_shuffle_epi8(REGISTER_256(raw, 3), HIGH_64(from << 32 | none));
    return _mm256_permutevar8x32_epi32(_mm256_or_si256(_mm256_or_si256(first, second), _mm256_or_si256(third, fourth)),
                                       _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}
INLINE __m256i taken_u32_u16(const u32 *raw, u32 pattern)
{
    const u64 from = (pattern & 0xffff) * UINT64_C(0x0001000100010001) + UINT64_C(0x0c0c080804040000);
    return _mm256_permute4x64_epi64(_mm256_or_si256(_mm256_shuffle_epi8(REGISTER_256(raw, 0), LOW_64(from)),
                                                    _mm256_shuffle_epi8(REGISTER_256(raw, 1), HIGH_64(from))), 0xd8);
}
INLINE __m256i taken_u32_u32(const u32 *raw, u32 pattern)
{
    const u64 from = pattern * UINT64_C(0x0000000100000001) + UINT64_C(0x0404040400000000);
    return _mm256_shuffle_epi8(REGISTER_256(raw, 0), BOTH_64(from, from + UINT64_C(0x0808080808080808)));
}
INLINE __m256i taken_u16_u8(const u16 *raw, u16 pattern)
{
    const u64 from = (pattern & 0xff) * UINT64_C(0x0101010101010101) + UINT64_C(0x0e0c0a0806040200);
    return _mm256_permute4x64_epi64(_mm256_or_si256(_mm256_shuffle_epi8(REGISTER_256(raw, 0), LOW_64(from)),
                                                    _mm256_shuffle_epi8(REGISTER_256(raw, 1), HIGH_64(from))), 0xd8);
}
INLINE __m256i taken_u16_u16(const u16 *raw, u16 pattern)
{
    const u64 from = pattern * UINT64_C(0x0001000100010001) + UINT64_C(0x0606040402020000);
    return _mm256_shuffle_epi8(REGISTER_256(raw, 0), BOTH_64(from, from + UINT64_C(0x0808080808080808)));
}
#define WIDE_8(b) _mm256_load_si256((const __m256i *)(const void *)(b))
#define WIDE_16(b) _mm256_cvtepi8_epi16(_mm_load_si128((const __m128i *)(const void *)(b)))
#define WIDE_32(b) _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)(b)))
#define TAKE_256(R, T, B) \
    INLINE void take_##R##_##T(T *restrict out, const R *restrict raw, u64 word, R pattern, int swap, unsigned shift, \
                               T mask) \
    { u8 b[LANES] ALIGNED; \
      (void)swap, (void)shift, (void)mask; \
      if (!IS_ALL(word)) expand_mask(b, word); \
      for (unsigned j = 0; j < (B) / 4; j++) { \
          const __m256i x = taken_##R##_##T(raw + j * (256 / (B)), pattern); \
          REGISTER_256(out, j) = IS_ALL(word) ? x : _mm256_and_si256(x, WIDE_##B(b + j * (256 / (B)))); } }
TAKE_256(u16, u8, 8) TAKE_256(u16, u16, 16) TAKE_256(u32, u8, 8) TAKE_256(u32, u16, 16) TAKE_256(u32, u32, 32)
