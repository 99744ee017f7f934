/* ---- Leaves: the rules that can still win, each with the number of what else it asks for -------------------------- */

#define LEAF_MAX 15u /* rules of a line; LEAF_MAX in recursive_flow.py */

/* Which predicates hold: a bit for each, and the last one always. */
typedef struct { u8 bits[32]; } predicates;

/* Rules in order of priority. What rule[k] asks for is bit[k] of bits[byte[k]]; from the end of the list on stands what
   always holds, and no rule. */
typedef struct { u8 byte[16], bit[16]; u16 rule[16]; } ALIGNED leaf_line;

/* The place of the first rule of a line whose predicate holds, or of the end of its list. */
INLINE unsigned first_holding(const leaf_line *line, const predicates *hold)
{
#if SM_AVX2 || SM_AVX512
    /* A shuffle sees 16 bytes, so each half of the bits is asked for those bytes that it has; where the top bit of an
       index is set, the answer is 0. */
    const __m256i other = _mm256_setr_epi64x(0, 0, 0x1010101010101010, 0x1010101010101010);
    __m256i byte = _mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *)(const void *)line->byte));
    __m256i from = _mm256_add_epi8(_mm256_xor_si256(byte, other), _mm256_set1_epi8(0x70));
    __m256i half = _mm256_shuffle_epi8(_mm256_loadu_si256((const __m256i *)(const void *)hold->bits), from);
    __m128i bits = _mm_or_si128(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
    __m128i bit = _mm_load_si128((const __m128i *)(const void *)line->bit);
    u32 fails = (u32)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_and_si128(bits, bit), _mm_setzero_si128()));
    return (unsigned)__builtin_ctz(~fails);
#else
    unsigned k = 0;
    while (!(hold->bits[line->byte[k]] & line->bit[k]))
        k++;
    return k;
#endif
}

/* The first rule of a leaf of one line, or NO_RULE. */
INLINE u16 first_of(const leaf_line *lines, u32 leaf, const predicates *hold)
{
    return lines[leaf].rule[first_holding(lines + leaf, hold)];
}

/* The same, where a line may go on: then its last entry, that always holds, has the number of the next one. Lines that
   go on follow all lines that a leaf begins with. */
INLINE u16 first_of_chain(const leaf_line *lines, u32 leaf, const predicates *hold)
{
    unsigned k = first_holding(lines + leaf, hold);
    while (__builtin_expect(k == LEAF_MAX && lines[leaf].rule[k] != NO_RULE, 0)) {
        leaf = lines[leaf].rule[k];
        k = first_holding(lines + leaf, hold);
    }
    return lines[leaf].rule[k];
}

INLINE void keep_first(u16 *rule, u16 other) { *rule = other < *rule ? other : *rule; }

/* ---- Their tables, filled once when the engine is loaded --------------------------------------------------------- */

/* Each line of the grid is the one before it, but for some runs of cells; the first one is 0 but for those. */
INLINE void fill_grid(u16 *grid, u32 lines, u32 columns, const u32 *run, const u16 *length, const u16 *value, u32 runs)
{
    u32 at = 0;
    for (u32 line = 0; line < lines; line++) {
        u16 *cells = grid + (size_t)line * columns;
        if (line)
            memcpy(cells, cells - columns, columns * sizeof *cells);
        for (; at < runs && run[at] / columns == line; at++)
            for (u32 k = 0; k < length[at]; k++)
                grid[run[at] + k] = value[at];
    }
}

/* Rules ``end[leaf - 1]`` to ``end[leaf]`` are those of a leaf. */
INLINE void fill_leaves(leaf_line *lines, u32 leaves, const u32 *end, const u8 *predicate, const u16 *rule)
{
    u32 spare = leaves, from = 0;
    for (u32 leaf = 0; leaf < leaves; leaf++) {
        leaf_line *line = lines + leaf;
        for (;;) {
            for (u32 k = 0; k < 16; k++) {
                int listed = k < LEAF_MAX && from < end[leaf];
                line->byte[k] = listed ? predicate[from] >> 3 : 31;
                line->bit[k] = (u8)(listed ? 1u << (predicate[from] & 7) : 0x80);
                line->rule[k] = listed ? rule[from] : NO_RULE;
                from += (u32)listed;
            }
            if (from == end[leaf])
                break;
            line->rule[LEAF_MAX] = (u16)spare;
            line = lines + spare++;
        }
    }
}

/* Of each leaf and each class of predicates the rule that wins. */
INLINE void fill_won(u16 *won, u32 leaves, const predicates *hold, u32 classes, const u32 *end, const u8 *predicate,
                     const u16 *rule)
{
    u32 from = 0;
    for (u32 leaf = 0; leaf < leaves; from = end[leaf++], won += classes)
        for (u32 c = 0; c < classes; c++) {
            u32 at = from;
            while (at < end[leaf] && !(hold[c].bits[predicate[at] >> 3] >> (predicate[at] & 7) & 1))
                at++;
            won[c] = at < end[leaf] ? rule[at] : NO_RULE;
        }
}
