/* AVX-512 on any processor: SIMDe's plain C, and by the letter of Intel's description what SIMDe 0.7.4 lacks of what
   engine_lanes.h uses. To be found before the compiler's own immintrin.h. */
#pragma GCC system_header
#define SIMDE_NO_NATIVE
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

#include <stdint.h>
#include <string.h>

typedef uint8_t __mmask8;
typedef uint16_t __mmask16;
typedef uint32_t __mmask32;
typedef uint64_t __mmask64;

#define SIMDE_LACKS(RESULT) static inline __attribute__((unused)) RESULT

/* Element i of type E out of N in a vector. */
#define ELEMENTS(E, N, name, vector) E name[N]; memcpy(name, &(vector), sizeof name)

#define COMPARE(NAME, E, N, MASK, OPERATOR) \
    SIMDE_LACKS(MASK) lacks_##NAME(__m512i a, __m512i b) \
    { ELEMENTS(E, N, x, a); ELEMENTS(E, N, y, b); MASK out = 0; \
      for (unsigned i = 0; i < N; i++) out |= (MASK)((MASK)(x[i] OPERATOR y[i]) << i); return out; }
#define COMPARES(SUFFIX, E, N, MASK) \
    COMPARE(cmpeq_##SUFFIX, E, N, MASK, ==) COMPARE(cmplt_##SUFFIX, E, N, MASK, <) \
    COMPARE(cmpgt_##SUFFIX, E, N, MASK, >) COMPARE(cmple_##SUFFIX, E, N, MASK, <=) \
    SIMDE_LACKS(MASK) lacks_test_##SUFFIX(__m512i a, __m512i b) \
    { ELEMENTS(E, N, x, a); ELEMENTS(E, N, y, b); MASK out = 0; \
      for (unsigned i = 0; i < N; i++) out |= (MASK)((MASK)((x[i] & y[i]) != 0) << i); return out; }
COMPARES(epu8, uint8_t, 64, __mmask64)
COMPARES(epu16, uint16_t, 32, __mmask32)
COMPARES(epu32, uint32_t, 16, __mmask16)
COMPARES(epu64, uint64_t, 8, __mmask8)
COMPARES(epi8, int8_t, 64, __mmask64)
COMPARES(epi16, int16_t, 32, __mmask32)
COMPARES(epi32, int32_t, 16, __mmask16)
COMPARES(epi64, int64_t, 8, __mmask8)

#define CONVERT(NAME, TO, N, TYPE, FROM, VECTOR, MASK, VALUE) \
    SIMDE_LACKS(TYPE) lacks_##NAME(MASK k, VECTOR a) \
    { ELEMENTS(FROM, N, x, a); TO to[N]; TYPE out; \
      for (unsigned i = 0; i < N; i++) to[i] = (TO)(k >> i & 1 ? VALUE : 0); \
      memcpy(&out, to, sizeof out); return out; }
CONVERT(maskz_cvtepi16_epi8, uint8_t, 32, __m256i, uint16_t, __m512i, __mmask32, x[i])
CONVERT(maskz_cvtepi32_epi8, uint8_t, 16, __m128i, uint32_t, __m512i, __mmask16, x[i])
CONVERT(maskz_cvtepi32_epi16, uint16_t, 16, __m256i, uint32_t, __m512i, __mmask16, x[i])
CONVERT(cvtusepi16_epi8, uint8_t, 32, __m256i, uint16_t, __m512i, __mmask32, (x[i] < 255 ? x[i] : 255))
CONVERT(cvtepu8_epi16, uint16_t, 32, __m512i, uint8_t, __m256i, __mmask32, x[i])

SIMDE_LACKS(__m512i) lacks_broadcast_i64x2(__m128i a)
{
    __m512i out;
    for (unsigned i = 0; i < 4; i++)
        memcpy((char *)&out + 16 * i, &a, 16);
    return out;
}

SIMDE_LACKS(uint32_t) lacks_pext(uint32_t value, uint32_t mask)
{
    uint32_t out = 0;
    for (unsigned at = 0; mask; mask &= mask - 1)
        out |= (value >> __builtin_ctz(mask) & 1) << at++;
    return out;
}

SIMDE_LACKS(uint32_t) lacks_pdep(uint32_t value, uint32_t mask)
{
    uint32_t out = 0;
    for (; mask; mask &= mask - 1, value >>= 1)
        out |= (value & 1) << __builtin_ctz(mask);
    return out;
}

#undef _mm512_cmpeq_epu8_mask
#define _mm512_cmpeq_epu8_mask lacks_cmpeq_epu8
#undef _mm512_cmpeq_epu16_mask
#define _mm512_cmpeq_epu16_mask lacks_cmpeq_epu16
#undef _mm512_cmpeq_epu32_mask
#define _mm512_cmpeq_epu32_mask lacks_cmpeq_epu32
#undef _mm512_cmpeq_epu64_mask
#define _mm512_cmpeq_epu64_mask lacks_cmpeq_epu64
#undef _mm512_cmpeq_epi8_mask
#define _mm512_cmpeq_epi8_mask lacks_cmpeq_epi8
#undef _mm512_cmpeq_epi16_mask
#define _mm512_cmpeq_epi16_mask lacks_cmpeq_epi16
#undef _mm512_cmpeq_epi32_mask
#define _mm512_cmpeq_epi32_mask lacks_cmpeq_epi32
#undef _mm512_cmpeq_epi64_mask
#define _mm512_cmpeq_epi64_mask lacks_cmpeq_epi64
#undef _mm512_cmplt_epu8_mask
#define _mm512_cmplt_epu8_mask lacks_cmplt_epu8
#undef _mm512_cmplt_epu16_mask
#define _mm512_cmplt_epu16_mask lacks_cmplt_epu16
#undef _mm512_cmplt_epu32_mask
#define _mm512_cmplt_epu32_mask lacks_cmplt_epu32
#undef _mm512_cmplt_epu64_mask
#define _mm512_cmplt_epu64_mask lacks_cmplt_epu64
#undef _mm512_cmplt_epi8_mask
#define _mm512_cmplt_epi8_mask lacks_cmplt_epi8
#undef _mm512_cmplt_epi16_mask
#define _mm512_cmplt_epi16_mask lacks_cmplt_epi16
#undef _mm512_cmplt_epi32_mask
#define _mm512_cmplt_epi32_mask lacks_cmplt_epi32
#undef _mm512_cmplt_epi64_mask
#define _mm512_cmplt_epi64_mask lacks_cmplt_epi64
#undef _mm512_cmpgt_epu8_mask
#define _mm512_cmpgt_epu8_mask lacks_cmpgt_epu8
#undef _mm512_cmpgt_epu16_mask
#define _mm512_cmpgt_epu16_mask lacks_cmpgt_epu16
#undef _mm512_cmpgt_epu32_mask
#define _mm512_cmpgt_epu32_mask lacks_cmpgt_epu32
#undef _mm512_cmpgt_epu64_mask
#define _mm512_cmpgt_epu64_mask lacks_cmpgt_epu64
#undef _mm512_cmpgt_epi8_mask
#define _mm512_cmpgt_epi8_mask lacks_cmpgt_epi8
#undef _mm512_cmpgt_epi16_mask
#define _mm512_cmpgt_epi16_mask lacks_cmpgt_epi16
#undef _mm512_cmpgt_epi32_mask
#define _mm512_cmpgt_epi32_mask lacks_cmpgt_epi32
#undef _mm512_cmpgt_epi64_mask
#define _mm512_cmpgt_epi64_mask lacks_cmpgt_epi64
#undef _mm512_cmple_epu8_mask
#define _mm512_cmple_epu8_mask lacks_cmple_epu8
#undef _mm512_cmple_epu16_mask
#define _mm512_cmple_epu16_mask lacks_cmple_epu16
#undef _mm512_cmple_epu32_mask
#define _mm512_cmple_epu32_mask lacks_cmple_epu32
#undef _mm512_cmple_epu64_mask
#define _mm512_cmple_epu64_mask lacks_cmple_epu64
#undef _mm512_cmple_epi8_mask
#define _mm512_cmple_epi8_mask lacks_cmple_epi8
#undef _mm512_cmple_epi16_mask
#define _mm512_cmple_epi16_mask lacks_cmple_epi16
#undef _mm512_cmple_epi32_mask
#define _mm512_cmple_epi32_mask lacks_cmple_epi32
#undef _mm512_cmple_epi64_mask
#define _mm512_cmple_epi64_mask lacks_cmple_epi64
#undef _mm512_test_epi8_mask
#define _mm512_test_epi8_mask lacks_test_epi8
#undef _mm512_test_epi16_mask
#define _mm512_test_epi16_mask lacks_test_epi16
#undef _mm512_test_epi32_mask
#define _mm512_test_epi32_mask lacks_test_epi32
#undef _mm512_test_epi64_mask
#define _mm512_test_epi64_mask lacks_test_epi64
#undef _mm512_maskz_cvtepi16_epi8
#define _mm512_maskz_cvtepi16_epi8 lacks_maskz_cvtepi16_epi8
#undef _mm512_maskz_cvtepi32_epi8
#define _mm512_maskz_cvtepi32_epi8 lacks_maskz_cvtepi32_epi8
#undef _mm512_maskz_cvtepi32_epi16
#define _mm512_maskz_cvtepi32_epi16 lacks_maskz_cvtepi32_epi16
#undef _mm512_broadcast_i64x2
#define _mm512_broadcast_i64x2 lacks_broadcast_i64x2
#undef _mm512_cvtusepi16_epi8
#define _mm512_cvtusepi16_epi8(a) lacks_cvtusepi16_epi8(~(__mmask32)0, a)
#undef _mm512_cvtepu8_epi16
#define _mm512_cvtepu8_epi16(a) lacks_cvtepu8_epi16(~(__mmask32)0, a)
#define _pext_u32 lacks_pext
#define _pdep_u32 lacks_pdep
