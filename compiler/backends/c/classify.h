/* ---- Classes: which rows an event matches, as the AND of one bit vector per axis --------------------------------- */

#define NO_RULE 0xffffu

/* How many lanes there are up to the last live one. */
static inline __attribute__((unused)) unsigned lanes_of(u64 live) { return LANES - (unsigned)__builtin_clzll(live | 1); }

/* So many live lanes are gone through one by one. */
#define SPARSE 16u

/* Loops of a few scalar instructions a lane, such as loads from tables. */
#ifdef __clang__
#define UNROLLED _Pragma("unroll 8")
#else
#define UNROLLED _Pragma("GCC unroll 8")
#endif

/* OUT[i] = TABLE[INDEX] in each of the first ``lanes``: all indices first, which vectors can calculate. */
#define LOOK_UP(OUT, TABLE, INDEX, lanes) \
    do { \
        u32 index[LANES] ALIGNED; \
        EACH index[i] = (INDEX); \
        UNROLLED for (unsigned i = 0; i < (lanes); i++) OUT[i] = TABLE[index[i]]; \
    } while (0)

/* A column of values to a column of classes. Values are compared as unsigned after ``flip`` (the sign bit of a signed
   type), so intervals of signed values ascend too. */
#define CLASS_OF(T, U) \
    static inline void direct8_##T(u16 *restrict out, const T *restrict x, const u8 *restrict table, U flip) \
    { UNROLLED EACH out[i] = table[(U)((U)x[i] ^ flip)]; } \
    static inline void direct16_##T(u16 *restrict out, const T *restrict x, const u16 *restrict table, U flip) \
    { UNROLLED EACH out[i] = table[(U)((U)x[i] ^ flip)]; }
CLASS_OF(u8, u8) CLASS_OF(s8, u8) CLASS_OF(u16, u16) CLASS_OF(s16, u16)

/* ``top`` has the last interval that starts at or before each value of the upper bits; from there a search in steps of
   ``half``, half of that, … finds the interval, the same steps in every lane. ``start`` is padded past its end. Eight
   lanes at a time, only those with some of the first ``lanes``, and few of them by themselves: a single event shall not
   cost what 64 do. Without ``class`` the interval's number is given. */
#define FEW 2u
#define SEARCH_OF(T, U) \
    static inline void search_##T(u16 *restrict out, const T *restrict x, const u16 *restrict top, unsigned shift, \
                                  const U *restrict start, const u16 *restrict class, unsigned half, U flip, \
                                  unsigned lanes) \
    { if (lanes <= FEW) { \
        for (unsigned i = 0; i < lanes; i++) { \
            const U key = (U)((U)x[i] ^ flip); \
            u32 at = top[(size_t)(key >> shift)]; \
            for (unsigned step = half; step; step >>= 1) at += start[at + step] <= key ? step : 0; \
            out[i] = class ? class[at] : (u16)at; } \
        return; } \
      for (unsigned from = 0; from < lanes; from += 8) { \
        u32 at[8]; \
        for (unsigned i = 0; i < 8; i++) at[i] = top[(size_t)((U)((U)x[from + i] ^ flip) >> shift)]; \
        for (unsigned step = half; step; step >>= 1) \
            for (unsigned i = 0; i < 8; i++) \
                at[i] += start[at[i] + step] <= (U)((U)x[from + i] ^ flip) ? step : 0; \
        if (class) for (unsigned i = 0; i < 8; i++) out[from + i] = class[at[i]]; \
        else for (unsigned i = 0; i < 8; i++) out[from + i] = (u16)at[i]; } }
SEARCH_OF(u32, u32) SEARCH_OF(s32, u32) SEARCH_OF(u64, u64) SEARCH_OF(s64, u64) SEARCH_OF(u128, u128)
SEARCH_OF(s128, u128)

/* Keys of 17 to 32 bits: the upper bits lead to a node, that tells up to 16 starts of intervals apart in one vector
   comparison and says where values go from there: to another node or, after ``depth`` of them, to the class. Values are
   signed here, after the sign bit is flipped; ``before`` has the values before the starts, in order, then what no value
   is above. */
#define NODE_STARTS 16u
typedef struct { s32 before[NODE_STARTS]; u16 to[2 * NODE_STARTS]; } ALIGNED axis_node;

INLINE u16 beyond(const axis_node *node, s32 value)
{
#if SM_AVX512
    const __mmask16 passed = _mm512_cmpgt_epi32_mask(_mm512_set1_epi32(value), _mm512_load_si512(node->before));
    return node->to[__builtin_popcount(passed)];
#elif SM_AVX2
    const __m256i *before = (const __m256i *)(const void *)node->before, x = _mm256_set1_epi32(value);
    const __m256i passed = _mm256_packs_epi32(_mm256_cmpgt_epi32(x, before[0]), _mm256_cmpgt_epi32(x, before[1]));
    return get_u16((const u8 *)node->to + __builtin_popcount((u32)_mm256_movemask_epi8(passed))); /* two bits a start */
#else
    u32 passed = 0;
    for (unsigned k = 0; k < NODE_STARTS; k++)
        passed += node->before[k] < value;
    return node->to[passed];
#endif
}

INLINE u16 by_nodes(u32 x, unsigned shift, const u16 *restrict top, const axis_node *restrict node, unsigned depth)
{
    u16 at = top[x >> shift];
    for (unsigned level = 0; level < depth; level++)
        at = beyond(node + at, (s32)(x ^ 0x80000000u));
    return at;
}

/* Where few lanes are live, only those, and 0 for the others, which is in any table; else, without a test for each, all up
   to the last one. */
INLINE void nodes_u32(u16 *restrict out, const u32 *restrict x, unsigned shift, const u16 *restrict top,
                      const axis_node *restrict node, unsigned depth, u64 live)
{
    if (live != ALL && __builtin_popcountll(live) <= (int)SPARSE) {
        memset(out, 0, LANES * sizeof *out);
        for (; live; live &= live - 1) {
            const unsigned i = (unsigned)__builtin_ctzll(live);
            out[i] = by_nodes(x[i], shift, top, node, depth);
        }
        return;
    }
    const unsigned lanes = lanes_of(live);
    UNROLLED for (unsigned i = 0; i < lanes; i++) out[i] = by_nodes(x[i], shift, top, node, depth);
}

/* Up to eight words of conditions to one byte a lane, bit k of it from word k. */
static inline void mask_of(u8 *restrict out, const u64 *restrict when, unsigned count)
{
#if SM_AVX512
    __m512i mask = _mm512_setzero_si512();
    for (unsigned k = 0; k < count; k++)
        mask = _mm512_or_si512(mask, _mm512_maskz_set1_epi8(when[k], (char)(1u << k)));
    _mm512_store_si512((void *)out, mask);
#else
    for (unsigned j = 0; j < 8; j++) { /* a matrix of 8 by 8 bits is transposed */
        u64 x = 0, t;
        for (unsigned k = 0; k < count; k++)
            x |= (when[k] >> 8 * j & 0xff) << 8 * k;
        t = (x ^ x >> 7) & UINT64_C(0x00aa00aa00aa00aa), x ^= t ^ t << 7;
        t = (x ^ x >> 14) & UINT64_C(0x0000cccc0000cccc), x ^= t ^ t << 14;
        t = (x ^ x >> 28) & UINT64_C(0x00000000f0f0f0f0), x ^= t ^ t << 28;
        memcpy(out + 8 * j, &x, sizeof x);
    }
#endif
}

/* STEP words of a vector at once; ``some`` has a bit for each of them that is not 0. */
#if SM_AVX512
#define STEP 8u
typedef __m512i row_bits;
static inline row_bits bits_at(const u64 *p) { return _mm512_load_si512((const void *)p); }
static inline row_bits both(row_bits a, row_bits b) { return _mm512_and_si512(a, b); }
static inline u32 some(row_bits x) { return _mm512_test_epi64_mask(x, x); }
#elif SM_AVX2
#define STEP 4u
typedef __m256i row_bits;
static inline row_bits bits_at(const u64 *p) { return _mm256_load_si256((const __m256i *)(const void *)p); }
static inline row_bits both(row_bits a, row_bits b) { return _mm256_and_si256(a, b); }
static inline u32 some(row_bits x)
{
    __m256i none = _mm256_cmpeq_epi64(x, _mm256_setzero_si256());
    return ~(u32)_mm256_movemask_pd(_mm256_castsi256_pd(none)) & 15;
}
#else
#define STEP 1u
typedef u64 row_bits;
static inline row_bits bits_at(const u64 *p) { return *p; }
static inline row_bits both(row_bits a, row_bits b) { return a & b; }
static inline u32 some(row_bits x) { return x != 0; }
#endif

/* Lanes in ``word`` have rule ``number`` (unless an earlier one). */
static inline __attribute__((unused)) void or_rule(u16 *restrict rule, u64 word, u16 number)
{
    for (; word; word &= word - 1) {
        unsigned i = (unsigned)__builtin_ctzll(word);
        rule[i] = number < rule[i] ? number : rule[i];
    }
}

static inline __attribute__((unused)) void add_rule(u64 *restrict events, u64 *restrict touched, u64 word, u16 number)
{
    events[number] |= word;
    touched[number >> 6] |= (u64)(word != 0) << (number & 63);
}

/* Only lanes in ``word`` keep their rule. */
static inline void only_rules(u16 *restrict rule, u64 word)
{
    u8 not[LANES] ALIGNED;
    expand_u8(not, ~word);
    EACH rule[i] |= (u16)-(u16)not[i];
}

/* Lanes with a rule, put together by rule, in no order: how many rules, their numbers in ``found`` and their lanes in
   ``events``, which is all 0 before but for one more word: the lanes without a rule go there, and it is never 0. */
INLINE u32 lanes_by_rule(u16 *restrict found, u64 *restrict events, u32 rules, const u16 *restrict rule, u64 live)
{
    u16 number[LANES] ALIGNED;
    u8 dead[LANES] ALIGNED;
    u32 count = 0;
    expand_mask(dead, ~live);
    EACH number[i] = (u16)(rule[i] | (u16)(s8)dead[i]);
    EACH number[i] = number[i] < rules ? number[i] : (u16)rules;
    UNROLLED EACH {
        const u64 before = events[number[i]];
        found[count] = number[i];
        count += !before;
        events[number[i]] = before | UINT64_C(1) << i;
    }
    return count;
}

/* ---- Tables, filled once when the engine is loaded: what the file has is where something changes ----------------- */

static inline __attribute__((unused)) void fill_direct8(u8 *table, u32 size, const u32 *start, const u16 *class, u32 count)
{
    for (u32 r = 0; r < count; r++)
        for (u32 at = start[r], end = r + 1 < count ? start[r + 1] : size; at < end; at++)
            table[at] = (u8)class[r];
}

static inline __attribute__((unused)) void fill_direct16(u16 *table, u32 size, const u32 *start, const u16 *class, u32 count)
{
    for (u32 r = 0; r < count; r++)
        for (u32 at = start[r], end = r + 1 < count ? start[r + 1] : size; at < end; at++)
            table[at] = class[r];
}

#define FILL_TOP(U) \
    static inline __attribute__((unused)) void fill_top_##U(u16 *top, u32 size, unsigned shift, const U *start, u32 count) \
    { u32 at = 0; \
      for (u32 h = 0; h < size; h++) { \
          while (at + 1 < count && start[at + 1] <= (U)h << shift) at++; \
          top[h] = (u16)at; } }
FILL_TOP(u32) FILL_TOP(u64) FILL_TOP(u128)

/* ``used``: how many starts each node has; it leads to one place more. */
INLINE void fill_nodes(axis_node *node, u32 nodes, const u8 *used, const u32 *start, const u16 *to)
{
    for (u32 n = 0; n < nodes; n++, node++) {
        for (u32 k = 0; k < NODE_STARTS; k++)
            node->before[k] = (s32)(k < used[n] ? (*start++ - 1) ^ 0x80000000u : 0x7fffffffu);
        for (u32 k = 0; k <= used[n]; k++)
            node->to[k] = *to++;
    }
}

/* Each class's vector is that of the class before it but for the rows listed up to its end. */
static inline __attribute__((unused)) void fill_vectors(u64 *v, size_t words, u32 classes, const u32 *end, const u16 *row)
{
    u32 at = 0;
    for (u32 c = 0; c < classes; c++, v += words) {
        if (c)
            memcpy(v, v - words, words * sizeof *v);
        for (; at < end[c]; at++)
            v[row[at] >> 6] ^= UINT64_C(1) << (row[at] & 63);
    }
}

/* Class m: rows whose condition is a bit of m, and those of ``count`` or more, which another axis asks for. */
static inline __attribute__((unused)) void fill_masks(u64 *v, size_t words, unsigned count, const u8 *condition, u32 rows)
{
    for (u32 r = 0; r < rows; r++)
        for (u32 m = 0; m < 1u << count; m++)
            if (condition[r] >= count || m >> condition[r] & 1)
                v[m * words + (r >> 6)] |= UINT64_C(1) << (r & 63);
}

/* ANDs the vectors of a part into those of a folded axis; class c takes the part's class example[c]. */
static inline __attribute__((unused)) void fill_fold(u64 *v, size_t words, u32 classes, const u64 *part, const u16 *example,
                                                     int first)
{
    for (u32 c = 0; c < classes; c++)
        for (size_t w = 0; w < words; w++)
            v[c * words + w] = (first ? ALL : v[c * words + w]) & part[example[c] * words + w];
}

static inline __attribute__((unused)) void fill_summary(u64 *s, size_t summary, const u64 *v, size_t words, u32 classes)
{
    for (u32 c = 0; c < classes; c++)
        for (size_t w = 0; w < words; w++)
            if (v[c * words + w])
                s[c * summary + (w >> 6)] |= UINT64_C(1) << (w & 63);
}
