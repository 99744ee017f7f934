/* ---- Windows: where 64 events are, and 16 bytes of each of them as four columns of 32 bits ------------------------ */

#if SM_AVX2 || SM_AVX512
/* Four events: their offsets, and pairs of captured and wire length. An event is offset, time, pair. */
INLINE void four_events(const sm_event *events, __m256i *offsets, __m256i *lengths)
{
    const __m256i *p = (const __m256i *)(const void *)events;
    const __m256i x = _mm256_loadu_si256(p), y = _mm256_loadu_si256(p + 1), z = _mm256_loadu_si256(p + 2);
    *offsets = _mm256_permute4x64_epi64(_mm256_blend_epi32(_mm256_blend_epi32(x, y, 0x30), z, 0x0c), 0x6c);
    *lengths = _mm256_permute4x64_epi64(_mm256_blend_epi32(_mm256_blend_epi32(z, y, 0x0c), x, 0x30), 0xc6);
}

/* Sixteen 32-bit values, those of each half of the pairs, to 16 bits; larger ones become the largest. */
INLINE __m256i narrowed(__m256 x, __m256 y)
{
    const __m256i most = _mm256_set1_epi32(0xffff);
    const __m256i both = _mm256_packus_epi32(_mm256_min_epu32(_mm256_castps_si256(x), most),
                                             _mm256_min_epu32(_mm256_castps_si256(y), most));
    return _mm256_permutevar8x32_epi32(both, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

/* Addresses of 64 events, and their lengths as far as 16 bits hold them. */
INLINE void locate_events(uintptr_t *restrict at, u16 *restrict captured, u16 *restrict size, const u8 *buffer,
                          const sm_event *events)
{
    const __m256i start = _mm256_set1_epi64x((long long)(uintptr_t)buffer);
    for (unsigned i = 0; i < LANES; i += 16) {
        __m256 pairs[4];
        for (unsigned j = 0; j < 4; j++) {
            __m256i offsets, lengths;
            four_events(events + i + 4 * j, &offsets, &lengths);
            _mm256_store_si256((__m256i *)(void *)(at + i + 4 * j), _mm256_add_epi64(offsets, start));
            pairs[j] = _mm256_castsi256_ps(lengths);
        }
        _mm256_store_si256((__m256i *)(void *)(captured + i), narrowed(_mm256_shuffle_ps(pairs[0], pairs[1], 0x88),
                                                                       _mm256_shuffle_ps(pairs[2], pairs[3], 0x88)));
        if (size)
            _mm256_store_si256((__m256i *)(void *)(size + i), narrowed(_mm256_shuffle_ps(pairs[0], pairs[1], 0xdd),
                                                                       _mm256_shuffle_ps(pairs[2], pairs[3], 0xdd)));
    }
}

/* Rows of four words to columns, eight events at a time: the usual transposition by unpacking. */
INLINE __m256i window_pair(const uintptr_t *at, unsigned first, u32 disp)
{
    const __m128i low = _mm_loadu_si128((const __m128i *)(at[first] + disp));
    const __m128i high = _mm_loadu_si128((const __m128i *)(at[first + 4] + disp));
    return _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
}

INLINE void store_words(u32 *to, __m256i words)
{
    if (to)
        _mm256_store_si256((__m256i *)(void *)to, words);
}

INLINE void read_window(const uintptr_t *restrict at, u32 disp, u32 *restrict a, u32 *restrict b, u32 *restrict c,
                        u32 *restrict d)
{
    for (unsigned i = 0; i < LANES; i += 8) {
        const __m256i e0 = window_pair(at, i, disp), e1 = window_pair(at, i + 1, disp);
        const __m256i e2 = window_pair(at, i + 2, disp), e3 = window_pair(at, i + 3, disp);
        const __m256i ab01 = _mm256_unpacklo_epi32(e0, e1), cd01 = _mm256_unpackhi_epi32(e0, e1);
        const __m256i ab23 = _mm256_unpacklo_epi32(e2, e3), cd23 = _mm256_unpackhi_epi32(e2, e3);
        store_words(a ? a + i : NULL, _mm256_unpacklo_epi64(ab01, ab23));
        store_words(b ? b + i : NULL, _mm256_unpackhi_epi64(ab01, ab23));
        store_words(c ? c + i : NULL, _mm256_unpacklo_epi64(cd01, cd23));
        store_words(d ? d + i : NULL, _mm256_unpackhi_epi64(cd01, cd23));
    }
}
#else
INLINE void locate_events(uintptr_t *restrict at, u16 *restrict captured, u16 *restrict size, const u8 *buffer,
                          const sm_event *events)
{
    EACH at[i] = (uintptr_t)(buffer + events[i].offset);
    EACH captured[i] = (u16)(events[i].cap_len < 0xffff ? events[i].cap_len : 0xffff);
    if (size)
        EACH size[i] = (u16)(events[i].wire_len < 0xffff ? events[i].wire_len : 0xffff);
}

INLINE void read_window(const uintptr_t *restrict at, u32 disp, u32 *restrict a, u32 *restrict b, u32 *restrict c,
                        u32 *restrict d)
{
    EACH {
        const u8 *p = (const u8 *)at[i] + disp;
        if (a) a[i] = get_u32(p);
        if (b) b[i] = get_u32(p + 4);
        if (c) c[i] = get_u32(p + 8);
        if (d) d[i] = get_u32(p + 12);
    }
}
#endif
