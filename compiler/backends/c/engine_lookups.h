/* ---- Look-ups: rows of tables and entries of states, for 64 lanes ----------------------------------------------- */

/* Tables of one key column that is not ternary. hit: does any row count. find: which one, 0 for none. */
#define HIT_BITS(T) if (table->bits) return in_bitmap_##T(key, table->bits);
#define HIT_NO_BITS(T)
#define RANGES(T, BITS) \
    INLINE void find_##T(u32 *restrict row, const T *restrict key, const sm_table *table) \
    { const T *restrict edge = table->edge; \
      EACH row[i] = 0; \
      for (u32 step = (UINT32_C(1) << table->steps) >> 1; step; step >>= 1) \
          EACH row[i] += step & -(u32)(edge[row[i] + step - 1] <= key[i]); \
      EACH row[i] = table->row[row[i]]; } \
    INLINE u64 hit_##T(const T *key, const sm_table *table) \
    { if (table->n <= SM_TABLE_CHAIN) return in_ranges_##T(key, table->a, table->b, table->n); \
      BITS(T) \
      u32 row[LANES] ALIGNED; \
      find_##T(row, key, table); \
      return ~eqk_u32(row, 0); }
RANGES(u8, HIT_BITS) RANGES(u16, HIT_BITS) RANGES(u32, HIT_NO_BITS) RANGES(u64, HIT_NO_BITS) RANGES(u128, HIT_NO_BITS)

/* A ternary column against one row. */
#define TERNARY(T) \
    INLINE u64 ternary_##T(const T *key, T value, T mask) \
    { u8 b[LANES] ALIGNED; EACH b[i] = (u8)((T)(key[i] & mask) == value); return pack(b); }
TERNARY(u8) TERNARY(u16) TERNARY(u32) TERNARY(u64) TERNARY(u128)

/* A row for the lanes that it is the first to match. */
INLINE void settle_row(u32 *row, u64 lanes, u32 number)
{
    for (; lanes; lanes &= lanes - 1)
        row[__builtin_ctzll(lanes)] = number;
}

/* A value column of the rows found. */
#define VALUE(T) \
    INLINE void value_##T(T *restrict out, const u32 *restrict row, const sm_table *table, u32 column) \
    { const int64_t *restrict values = table->values + (size_t)column * (table->rows + 1); \
      EACH out[i] = (T)values[row[i]]; }
VALUE(u8) VALUE(s8) VALUE(u16) VALUE(s16) VALUE(u32) VALUE(s32) VALUE(u64) VALUE(s64)

/* States: the clock is the latest arrival so far. */
INLINE u64 tick(sm_state *state, u64 time)
{
    if (time < state->clock_ns)
        state->backwards++;
    else
        state->clock_ns = time;
    return state->clock_ns;
}

/* CRC-32 of IEEE 802.3, one more column of it: its lowest `bytes`, the highest first. */
#define CRC(T) \
    INLINE void crc_##T(u32 *restrict crc, const T *restrict key, unsigned bytes, const u32 *restrict table) \
    { while (bytes--) EACH crc[i] = crc[i] >> 8 ^ table[(u8)(crc[i] ^ (u32)(key[i] >> 8 * bytes))]; }
CRC(u8) CRC(u16) CRC(u32) CRC(u64) CRC(u128)
