/* Runs under the sanitizers: segments are built of random rows, of every kind, width and number of keys, in memory that is
 * allocated to the byte, and searched here in the plainest way, beside a scan of the rows. What has less room than it needs
 * is refused. Arguments: rounds, seed. */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "segment.h"

__extension__ typedef unsigned __int128 u128;

static uint64_t state, searched, refused;

static uint64_t next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

static uint32_t below(uint32_t n) { return (uint32_t)((next() >> 11) % n); }

static void *exactly(size_t size)
{
    const size_t whole = (size + 15) / 16 * 16;
    void *memory = aligned_alloc(16, whole > 0 ? whole : 16);
    CHECK(memory);
    return memory;
}

static uint32_t size_of(uint32_t width)
{
    uint32_t size = 1;
    while (8 * size < width)
        size *= 2;
    return size;
}

static u128 top_of(uint32_t width) { return ~(u128)0 >> (128 - width); }

static u128 get(const void *from, uint32_t size, uint64_t at)
{
    u128 out = 0;
    memcpy(&out, (const uint8_t *)from + at * size, size);
    return out;
}

static u128 some_prefix(uint32_t width)
{
    const uint32_t length = below(width + 1);
    return length == width ? top_of(width) : ~(top_of(width) >> length) & top_of(width);
}

/* Often at an end of what the width holds, or near a few values. */
static u128 some_key(uint32_t width)
{
    const u128 top = top_of(width), any = ((u128)next() << 64 | next()) & top;
    switch (below(5)) {
    case 0: return below(8) & top;
    case 1: return top - (below(8) & top);
    case 2: return any & some_prefix(width);
    default: return any;
    }
}

static void fill(sm_segment_rows *rows, uint32_t k)
{
    const uint32_t width = rows->width[k], size = size_of(width), how = below(3);
    const u128 top = top_of(width);
    uint8_t *a = exactly((size_t)size * rows->rows), *b = exactly((size_t)size * rows->rows);
    for (uint32_t r = 0; r < rows->rows; r++) {
        u128 one = some_key(width), two = some_key(width);
        if (rows->ternary[k]) {
            two = how == 0 ? some_prefix(width) : how == 1 && below(2) ? 0 : two;
            one &= two;
        } else {
            const u128 last = how == 0 ? one : how == 1 && below(2) ? top : two;
            one = how == 1 && last == top && below(2) ? 0 : one < last ? one : last;
            two = last - one;
        }
        memcpy(a + (size_t)r * size, &one, size);
        memcpy(b + (size_t)r * size, &two, size);
    }
    rows->a[k] = a;
    rows->b[k] = b;
}

static int matches(const sm_segment_rows *rows, uint32_t r, const u128 *key)
{
    for (uint32_t k = 0; k < rows->keys; k++) {
        const uint32_t size = size_of(rows->width[k]);
        const u128 a = get(rows->a[k], size, r), b = get(rows->b[k], size, r);
        if (rows->ternary[k] ? (key[k] & b) != a : key[k] < a || key[k] - a > b)
            return 0;
    }
    return 1;
}

/* Whether the vector at this place has the row. */
static int has(const sm_segment *s, uint32_t place, uint32_t row)
{
    const uint64_t *at = (const uint64_t *)(const void *)s + place;
    const uint64_t bit = UINT64_C(1) << row / 64;
    CHECK(8 * (place + 1 + (uint64_t)__builtin_popcountll(*at)) <= s->bytes);
    return *at & bit && at[1 + __builtin_popcountll(*at & (bit - 1))] >> row % 64 & 1;
}

static int open_to(const sm_segment *s, const sm_segment_rows *rows, uint32_t row, const u128 *key)
{
    for (uint32_t k = 0; k < rows->keys; k++) {
        const uint32_t *place = (const void *)((const uint8_t *)s + s->vector[k]), size = size_of(rows->width[k]);
        if (!s->vector[k])
            continue;
        if (s->strides[k]) {
            for (uint32_t left = s->strides[k]; left; left &= left - 1, place += 256)
                if (!has(s, place[(uint8_t)(key[k] >> 8 * __builtin_ctz(left))], row))
                    return 0;
            continue;
        }
        /* As engines do it, and every step stays inside. */
        const uint16_t *top = (const void *)((const uint8_t *)s + s->top[k]);
        const uint8_t *edge = (const uint8_t *)s + s->edge[k];
        uint32_t at = top[(size_t)(key[k] >> s->shift[k])];
        for (uint32_t step = s->half[k]; step; step >>= 1)
            at += get(edge, size, at + step) <= key[k] ? step : 0;
        CHECK(get(edge, size, at) <= key[k] && (const uint8_t *)(place + at + 1) <= (const uint8_t *)s + s->bytes);
        if (!has(s, place[at], row))
            return 0;
    }
    return 1;
}

static u128 near(const sm_segment_rows *rows, uint32_t k)
{
    const uint32_t size = size_of(rows->width[k]), r = below(rows->rows);
    const u128 a = get(rows->a[k], size, r), b = get(rows->b[k], size, r), top = top_of(rows->width[k]);
    if (rows->ternary[k])
        return a | (some_key(rows->width[k]) & ~b & top);
    return ((below(2) ? a : a + b) + below(3) - 1) & top;
}

static void compare(const sm_segment *s, const sm_segment_rows *rows)
{
    CHECK(s->rows == rows->rows && s->searched == 1);
    const int64_t *values = (const void *)((const uint8_t *)s + s->values);
    CHECK(!rows->columns || !memcmp(values, rows->values, rows->columns * rows->rows * sizeof *values));
    for (uint32_t round = 0; round < 20; round++) {
        u128 key[SM_KEYS_MAX];
        for (uint32_t k = 0; k < rows->keys; k++)
            key[k] = below(8) ? near(rows, k) : some_key(rows->width[k]);
        for (uint32_t r = 0; r < rows->rows; r++) {
            CHECK(matches(rows, r, key) == open_to(s, rows, r, key));
            searched++;
        }
    }
}

static void one(void *work)
{
    sm_segment_rows rows = {.rows = 1 + (below(20) ? below(150) : below(SM_SEGMENT_ROWS)), .keys = 1 + below(3), .columns = below(3)};
    if (!below(8))
        rows.keys = SM_KEYS_MAX;
    for (uint32_t k = 0; k < rows.keys; k++) {
        rows.width[k] = below(2) ? 1 + below(128) : 8u << below(5);
        rows.ternary[k] = below(3) == 0;
        fill(&rows, k);
    }
    int64_t *values = exactly(rows.columns * rows.rows * sizeof *values);
    for (uint32_t i = 0; i < rows.columns * rows.rows; i++)
        values[i] = (int64_t)next();
    rows.values = values;
    const uint64_t most = 16 << 20;
    void *wide = exactly(most);
    memset(work, (int)below(256), sm_segment_work_bytes());
    const uint64_t used = sm_segment_build(&rows, work, wide, most);
    if (used) {
        void *fits = exactly(used);
        CHECK(used % 16 == 0 && sm_segment_build(&rows, work, fits, used) == used);
        compare(fits, &rows);
        free(fits);
        const uint64_t less = below(4) ? used - 1 - below(used < 3000 ? (uint32_t)used - 1 : 3000) : below((uint32_t)used);
        void *little = exactly(less / 16 * 16);
        CHECK(!sm_segment_build(&rows, work, little, less));
        free(little);
        refused++;
    }
    CHECK(used || rows.rows > 256);
    free(wide);
    free(values);
    for (uint32_t k = 0; k < rows.keys; k++) {
        free((void *)(uintptr_t)rows.a[k]);
        free((void *)(uintptr_t)rows.b[k]);
    }
}

int main(int argc, char **argv)
{
    CHECK(argc == 3);
    state = strtoull(argv[2], NULL, 10);
    void *work = exactly(sm_segment_work_bytes()), *out = exactly(4096);
    const uint8_t key = 0;
    sm_segment_rows rows = {.rows = 1, .keys = 1, .width = {8}, .a = {&key}, .b = {&key}};
    CHECK(sm_segment_build(&rows, work, out, 4096));
    sm_segment_rows wrong[] = {rows, rows, rows, rows, rows, rows};
    wrong[0].rows = 0;
    wrong[1].rows = SM_SEGMENT_ROWS + 1;
    wrong[2].keys = 0;
    wrong[3].keys = SM_KEYS_MAX + 1;
    wrong[4].width[0] = 0;
    wrong[5].width[0] = 129;
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++)
        CHECK(!sm_segment_build(&wrong[i], work, out, 4096));
    for (uint64_t round = strtoull(argv[1], NULL, 10); round; round--)
        one(work);
    free(out);
    free(work);
    printf("%llu %llu\n", (unsigned long long)searched, (unsigned long long)refused);
    return 0;
}
