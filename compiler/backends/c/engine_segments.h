/* ---- Rows in segments: the first of many rows that matches, found by bit vectors that come with the rows ---------- */

/* Lanes that can still have a row of this segment, and for each the words of 64 rows that are open to it. */
typedef struct { u32 count; u32 lane[LANES + 8]; u64 words[LANES]; } open_lanes;

INLINE const u8 *in_segment(const sm_segment *segment, u64 offset) { return (const u8 *)segment + offset; }

INLINE void open_to(open_lanes *open, u64 live, const sm_segment *segment)
{
    const u32 words = (segment->rows + 63) / 64;
    open->count = 0;
    for (; live; live &= live - 1) {
        const u32 i = (u32)__builtin_ctzll(live);
        open->lane[open->count++] = i;
        open->words[i] = ALL >> (64 - words);
    }
}

/* One more vector for each lane: those without a row drop out. */
INLINE void narrow(open_lanes *open, const sm_segment *segment, const u32 *restrict vector)
{
    const u64 *bits = (const u64 *)(const void *)segment;
    u32 kept = 0;
    for (u32 j = 0; j < open->count; j++) {
        const u32 i = open->lane[j];
        open->lane[kept] = i;
        kept += (open->words[i] &= bits[vector[i]]) != 0;
    }
    open->count = kept;
}

/* The vectors of a key column: their places go to ``vector``, one for each lane; how many. Intervals are searched eight
   lanes at a time: ``top`` has the last that begins at or before each value of the highest bits, and from there on every
   lane takes the same steps. */
#define NARROW(T) \
    INLINE u32 narrow_##T(u32 (*restrict vector)[LANES], const T *restrict key, open_lanes *restrict open, \
                          const sm_segment *restrict segment, unsigned k) \
    { const u32 *restrict place = (const u32 *)(const void *)in_segment(segment, segment->vector[k]); \
      const T *restrict edge = (const T *)(const void *)in_segment(segment, segment->edge[k]); \
      const u16 *restrict top = (const u16 *)(const void *)in_segment(segment, segment->top[k]); \
      const u32 shift = segment->shift[k], half = segment->half[k]; \
      if (!segment->vector[k]) return 0; \
      if (segment->strides[k]) { \
          u32 count = 0; \
          for (u32 left = segment->strides[k]; left; left &= left - 1, count++, place += 256) { \
              const u32 low = 8 * (u32)__builtin_ctz(left); \
              for (u32 j = 0; j < open->count; j++) \
                  vector[count][open->lane[j]] = place[(u8)(key[open->lane[j]] >> low)]; \
              narrow(open, segment, vector[count]); } \
          return count; } \
      for (unsigned i = 0; open->count && i < 8; i++) open->lane[open->count + i] = open->lane[open->count - 1]; \
      for (u32 from = 0; from < open->count; from += 8) { \
          u32 at[8]; T x[8]; \
          for (unsigned i = 0; i < 8; i++) x[i] = key[open->lane[from + i]]; \
          for (unsigned i = 0; i < 8; i++) at[i] = top[(size_t)(x[i] >> shift)]; \
          for (u32 step = half; step; step >>= 1) \
              for (unsigned i = 0; i < 8; i++) at[i] += step & -(u32)(edge[at[i] + step] <= x[i]); \
          for (unsigned i = 0; i < 8; i++) vector[0][open->lane[from + i]] = place[at[i]]; } \
      narrow(open, segment, vector[0]); \
      return 1; }
NARROW(u8) NARROW(u16) NARROW(u32) NARROW(u64) NARROW(u128)

/* The first row of each lane that is open still; which lanes have one. A vector has only its words that are not 0, so a
   word's place is the number of such words before it. */
INLINE u64 settle_first(u32 *restrict row, const open_lanes *restrict open, u32 (*restrict vector)[LANES], u32 vectors,
                        const sm_segment *segment, u32 number)
{
    const u64 *bits = (const u64 *)(const void *)segment;
    u64 found = 0;
    for (u32 j = 0; j < open->count; j++) {
        const u32 i = open->lane[j];
        for (u64 words = open->words[i]; words; words &= words - 1) {
            const u64 before = (words & -words) - 1;
            u64 rows = ALL;
            for (u32 v = 0; v < vectors; v++) {
                const u64 *at = bits + vector[v][i];
                rows &= at[1 + __builtin_popcountll(*at & before)];
            }
            if (rows) {
                row[i] = number + 64 * (u32)__builtin_ctzll(words) + (u32)__builtin_ctzll(rows);
                found |= UINT64_C(1) << i;
                break;
            }
        }
    }
    return found;
}

/* A value column of the rows found. */
#define SEGMENT_VALUE(T) \
    INLINE void value_in_segments_##T(T *restrict out, const u32 *restrict row, const sm_table *table, u32 column) \
    { EACH { \
          out[i] = 0; \
          if (!row[i]) continue; \
          const sm_segment *segment = table->segment[(row[i] - 1) / SM_SEGMENT_ROWS]; \
          const int64_t *values = (const int64_t *)(const void *)in_segment(segment, segment->values); \
          out[i] = (T)values[(size_t)column * segment->rows + (row[i] - 1) % SM_SEGMENT_ROWS]; } }
SEGMENT_VALUE(u8) SEGMENT_VALUE(s8) SEGMENT_VALUE(u16) SEGMENT_VALUE(s16) SEGMENT_VALUE(u32) SEGMENT_VALUE(s32)
SEGMENT_VALUE(u64) SEGMENT_VALUE(s64)
