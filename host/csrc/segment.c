/* Bit vectors (Lakshman and Stiliadis, SIGCOMM 1998) of the rows of one segment. Intervals: the ends of all rows are
 * sorted, and from one to the next rows come and go, one bit each. Ternary keys: a vector for each value of a byte
 * (StrideBV, Ganegedara and Prasanna 2012), unless their masks are prefixes, which are intervals. Equal vectors of a key
 * are kept once: a hash that every row changes by its own number finds them, and then all bits are compared. */
#include "segment.h"

#include <string.h>

static_assert(sizeof(sm_segment_rows) == 216, "sm_segment_rows is 216 bytes");

__extension__ typedef unsigned __int128 u128;

#define ROWS SM_SEGMENT_ROWS
#define WORDS (ROWS / 64)
#define ENDS (2 * ROWS) /* where rows begin, and where they have ended */
#define SLOTS (1u << 15) /* of the vectors of one key that are known; past twice the most that there are */
#define TOP_BITS_MAX 13

typedef struct {
    uint64_t bits[WORDS], some, hash; /* some: words that are not 0 */
} vector;

typedef struct {
    uint8_t key[16 * (ENDS + 1)]; /* in the bytes of their column: row r's first one is 2 * r, the one past its last 2 * r + 1 */
    uint16_t order[2][ENDS];
    uint16_t start[ENDS + 1]; /* of each interval the number of its first key, ZERO for key 0 */
    uint32_t place[ENDS + 1];
    vector now, stride[256];
    uint32_t slots; /* in use, less 1 */
    uint32_t slot[SLOTS];
    uint64_t hash[SLOTS];
} memory;

#define ZERO ENDS
static_assert(ZERO < UINT16_MAX, "numbers of ends have 16 bits");

typedef struct {
    const sm_segment_rows *rows;
    memory *work;
    sm_segment *segment;
    uint64_t used, room;
} builder;

static uint64_t mixed(uint64_t row)
{
    uint64_t x = (row + 1) * UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* Key number ``at`` of a column; a copy of so few bytes is no call if their number is a constant. */
static u128 key_at(const void *keys, uint32_t size, uint64_t at)
{
    const uint8_t *from = (const uint8_t *)keys + at * size;
    u128 out = 0;
    switch (size) {
    case 1: memcpy(&out, from, 1); break;
    case 2: memcpy(&out, from, 2); break;
    case 4: memcpy(&out, from, 4); break;
    case 8: memcpy(&out, from, 8); break;
    default: memcpy(&out, from, 16);
    }
    return out;
}

static void put_key(void *keys, uint32_t size, uint64_t at, u128 key)
{
    uint8_t *to = (uint8_t *)keys + at * size;
    switch (size) {
    case 1: memcpy(to, &key, 1); break;
    case 2: memcpy(to, &key, 2); break;
    case 4: memcpy(to, &key, 4); break;
    case 8: memcpy(to, &key, 8); break;
    default: memcpy(to, &key, 16);
    }
}

static u128 top_key(uint32_t width)
{
    return ~(u128)0 >> (128 - width);
}

/* Bytes of the segment that are written next; null if there is no room for them. */
static void *take(builder *b, uint64_t bytes)
{
    bytes = (bytes + 15) / 16 * 16;
    if (bytes > b->room - b->used)
        return NULL;
    b->used += bytes;
    return (uint8_t *)b->segment + b->used - bytes;
}

static uint64_t offset_of(const builder *b, const void *at)
{
    return (uint64_t)((const uint8_t *)at - (const uint8_t *)b->segment);
}

static void toggle(vector *v, uint32_t row)
{
    const uint64_t bit = UINT64_C(1) << row / 64;
    v->bits[row / 64] ^= UINT64_C(1) << row % 64;
    v->some = v->bits[row / 64] ? v->some | bit : v->some & ~bit;
    v->hash ^= mixed(row);
}

static void forget_vectors(memory *work, uint64_t most)
{
    uint32_t slots = 64;
    while (slots < 2 * most)
        slots *= 2;
    work->slots = slots - 1;
    memset(work->slot, 0, slots * sizeof *work->slot);
}

/* The place of a vector, which is written if there is none like it; 0 if there is no room. */
static uint32_t place_of(builder *b, const vector *v)
{
    memory *work = b->work;
    uint64_t *words = (uint64_t *)(void *)b->segment;
    uint32_t slot = (uint32_t)v->hash & work->slots;
    for (; work->slot[slot]; slot = (slot + 1) & work->slots) {
        const uint64_t *known = words + work->slot[slot];
        if (work->hash[slot] != v->hash || *known != v->some)
            continue;
        uint64_t left = v->some;
        for (known++; left && *known == v->bits[__builtin_ctzll(left)]; known++)
            left &= left - 1;
        if (!left)
            return work->slot[slot];
    }
    const uint64_t bytes = 8 * (1 + (uint64_t)__builtin_popcountll(v->some));
    if (bytes > b->room - b->used)
        return 0;
    uint64_t *to = words + b->used / 8; /* vectors follow each other without gaps */
    b->used += bytes;
    work->slot[slot] = (uint32_t)(to - words);
    work->hash[slot] = v->hash;
    *to++ = v->some;
    for (uint64_t left = v->some; left; left &= left - 1)
        *to++ = v->bits[__builtin_ctzll(left)];
    return work->slot[slot];
}

/* Whether a ternary key asks for the highest bits only, in every row. */
static int only_prefixes(const sm_segment_rows *rows, uint32_t k, uint32_t size)
{
    for (uint32_t r = 0; r < rows->rows; r++) {
        const u128 open = ~key_at(rows->b[k], size, r) & top_key(rows->width[k]);
        if (open & (open + 1))
            return 0;
    }
    return 1;
}

/* Where rows begin and have ended, unsorted; how many. Rows that begin with key 0 are in ``now``. */
static uint32_t ends_of(const builder *b, uint32_t k, uint32_t size)
{
    const sm_segment_rows *rows = b->rows;
    memory *work = b->work;
    const u128 top = top_key(rows->width[k]);
    uint32_t count = 0;
    memset(&work->now, 0, sizeof work->now);
    for (uint32_t r = 0; r < rows->rows; r++) {
        const u128 first = key_at(rows->a[k], size, r), other = key_at(rows->b[k], size, r);
        const u128 last = rows->ternary[k] ? first | (~other & top) : first + other, past = last + 1;
        if (!first) {
            toggle(&work->now, r);
        } else {
            put_key(work->key, size, 2 * r, first);
            work->order[0][count++] = (uint16_t)(2 * r);
        }
        if (last < top) {
            put_key(work->key, size, 2 * r + 1, past);
            work->order[0][count++] = (uint16_t)(2 * r + 1);
        }
    }
    return count;
}

/* Sorted by their keys, a byte after the other from the lowest; a byte that all have in common moves nothing. */
static const uint16_t *sorted(memory *work, uint32_t count, uint32_t size)
{
    uint32_t from = 0;
    for (uint32_t byte = 0; byte < size && count; byte++) {
        uint32_t at[256] = {0}, sum = 0;
        const uint8_t *key = work->key + byte;
        const uint16_t *order = work->order[from];
        uint16_t *to = work->order[1 - from];
        for (uint32_t i = 0; i < count; i++)
            at[key[order[i] * size]]++;
        if (at[key[order[0] * size]] == count)
            continue;
        for (uint32_t value = 0; value < 256; value++) {
            const uint32_t here = at[value];
            at[value] = sum;
            sum += here;
        }
        for (uint32_t i = 0; i < count; i++)
            to[at[key[order[i] * size]]++] = order[i];
        from = 1 - from;
    }
    return work->order[from];
}

/* The intervals of a key, from what ``ends_of`` left: numbers of their first keys and places of their vectors; how many, 0 if
 * there is no room. */
static uint32_t intervals_of(builder *b, uint32_t ends, uint32_t size)
{
    memory *work = b->work;
    const uint16_t *order = sorted(work, ends, size);
    uint32_t count = 0;
    forget_vectors(work, ends + 1);
    put_key(work->key, size, ZERO, 0);
    for (uint32_t i = 0, first = ZERO;; first = order[i]) {
        const u128 key = key_at(work->key, size, first);
        for (; i < ends && key_at(work->key, size, order[i]) == key; i++)
            toggle(&work->now, order[i] / 2);
        const uint32_t place = place_of(b, &work->now);
        if (!place)
            return 0;
        if (!count || work->place[count - 1] != place) {
            work->start[count] = (uint16_t)first;
            work->place[count++] = place;
        }
        if (i == ends)
            return count;
    }
}

static u128 start_of(const memory *work, uint32_t size, uint32_t interval)
{
    return key_at(work->key, size, work->start[interval]);
}

/* A key of 8 bits has 256 places instead of a search. */
static int write_bytes(builder *b, uint32_t k, uint32_t count)
{
    uint32_t *place = take(b, 256 * sizeof *place);
    if (!place)
        return 0;
    for (uint32_t value = 0, at = 0; value < 256; value++) {
        at += at + 1 < count && start_of(b->work, 1, at + 1) <= value;
        place[value] = b->work->place[at];
    }
    b->segment->vector[k] = offset_of(b, place);
    b->segment->strides[k] = 1;
    return 1;
}

/* Edges, places and the numbers that a search begins with; it may step past the end, where nothing changes. */
static int write_search(builder *b, uint32_t k, uint32_t size, uint32_t count)
{
    const uint32_t width = b->rows->width[k];
    uint32_t bits = 0, most = 0, half = 0;
    while (bits < TOP_BITS_MAX && bits < width && UINT32_C(1) << bits < count)
        bits++;
    const uint32_t shift = width - bits;
    uint16_t *top = take(b, (UINT64_C(1) << bits) * sizeof *top);
    if (!top)
        return 0;
    for (uint32_t h = 0, at = 0; h < UINT32_C(1) << bits; h++) {
        const u128 low = (u128)h << shift, high = low + (top_key(width) >> bits);
        while (at + 1 < count && start_of(b->work, size, at + 1) <= low)
            at++;
        top[h] = (uint16_t)at;
        uint32_t within = 0;
        for (uint32_t next = at + 1; next < count && start_of(b->work, size, next) <= high; next++)
            within++;
        most = within > most ? within : most;
    }
    while (half < most)
        half = 2 * half + 1;
    half = (half + 1) / 2;
    const uint32_t padded = count + 2 * half;
    uint8_t *edge = take(b, (uint64_t)padded * size);
    uint32_t *place = take(b, (uint64_t)padded * sizeof *place);
    if (!edge || !place)
        return 0;
    for (uint32_t at = 0; at < padded; at++) {
        const u128 key = at < count ? start_of(b->work, size, at) : ~(u128)0;
        put_key(edge, size, at, key);
        place[at] = b->work->place[at < count ? at : count - 1];
    }
    sm_segment *segment = b->segment;
    segment->edge[k] = offset_of(b, edge), segment->top[k] = offset_of(b, top), segment->vector[k] = offset_of(b, place);
    segment->shift[k] = shift, segment->half[k] = half;
    return 1;
}

static int add_intervals(builder *b, uint32_t k, uint32_t size)
{
    const uint32_t ends = ends_of(b, k, size);
    if (!ends) /* every row is open to every key */
        return 1;
    const uint32_t count = intervals_of(b, ends, size);
    b->used = (b->used + 15) / 16 * 16;
    if (!count)
        return 0;
    return size == 1 ? write_bytes(b, k, count) : write_search(b, k, size, count);
}

/* The vectors of one byte of a ternary key, by its value. */
static int write_stride(builder *b, const uint8_t *value, const uint8_t *mask, uint32_t size, uint32_t *place)
{
    memory *work = b->work;
    memset(work->stride, 0, sizeof work->stride);
    for (uint32_t r = 0; r < b->rows->rows; r++) {
        const uint32_t open = 0xffu & ~mask[(uint64_t)r * size], fixed = value[(uint64_t)r * size];
        for (uint32_t some = open;; some = (some - 1) & open) {
            toggle(&work->stride[fixed | some], r);
            if (!some)
                break;
        }
    }
    for (uint32_t at = 0; at < 256; at++)
        if (!(place[at] = place_of(b, &work->stride[at])))
            return 0;
    return 1;
}

static int add_strides(builder *b, uint32_t k, uint32_t size)
{
    const sm_segment_rows *rows = b->rows;
    uint32_t strides = 0;
    for (uint32_t r = 0; r < rows->rows; r++)
        for (uint32_t byte = 0; byte < size; byte++)
            strides |= (uint32_t)(((const uint8_t *)rows->b[k])[(uint64_t)r * size + byte] != 0) << byte;
    uint32_t *place = take(b, 256 * sizeof *place * (uint64_t)__builtin_popcount(strides));
    if (!place)
        return 0;
    b->segment->vector[k] = offset_of(b, place);
    b->segment->strides[k] = strides;
    forget_vectors(b->work, 256 * (uint64_t)__builtin_popcount(strides));
    for (uint32_t left = strides; left; left &= left - 1, place += 256) {
        const uint32_t byte = (uint32_t)__builtin_ctz(left);
        if (!write_stride(b, (const uint8_t *)rows->a[k] + byte, (const uint8_t *)rows->b[k] + byte, size, place))
            return 0;
    }
    b->used = (b->used + 15) / 16 * 16;
    return 1;
}

uint64_t sm_segment_work_bytes(void)
{
    return sizeof(memory);
}

uint64_t sm_segment_build(const sm_segment_rows *rows, void *work, void *out, uint64_t room)
{
    builder b = {rows, work, out, 0, room / 16 * 16};
    if (!rows->rows || rows->rows > ROWS || !rows->keys || rows->keys > SM_KEYS_MAX)
        return 0;
    if (!take(&b, sizeof *b.segment))
        return 0;
    memset(b.segment, 0, sizeof *b.segment);
    const uint64_t value_bytes = (uint64_t)rows->columns * rows->rows * sizeof *rows->values;
    int64_t *values = take(&b, value_bytes);
    if (!values)
        return 0;
    if (value_bytes)
        memcpy(values, rows->values, value_bytes);
    b.segment->values = offset_of(&b, values);
    for (uint32_t k = 0; k < rows->keys; k++) {
        uint32_t size = 1;
        if (!rows->width[k] || rows->width[k] > 128)
            return 0;
        while (8 * size < rows->width[k])
            size *= 2;
        const int by_bytes = rows->ternary[k] && !only_prefixes(rows, k, size);
        if (!(by_bytes ? add_strides(&b, k, size) : add_intervals(&b, k, size)))
            return 0;
    }
    b.segment->bytes = b.used;
    b.segment->rows = rows->rows;
    b.segment->searched = 1;
    return b.used;
}
