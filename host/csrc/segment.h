/* Builds a searched segment of a table (sm_segment) out of its rows, in memory of the caller. */
#ifndef SM_SEGMENT_H
#define SM_SEGMENT_H

#include "sm_boundary.h"

/* Rows in the order that counts. Keys are unsigned, little endian, of the type of their column (8, 16, 32, 64 or 128
 * bits), and fit its width. */
typedef struct {
    uint32_t rows, keys, columns, reserved;
    uint32_t width[SM_KEYS_MAX];       /* 1 to 128 bits */
    uint32_t ternary[SM_KEYS_MAX];     /* not 0: a has values and b masks, else a has first keys and b last less first */
    const void *a[SM_KEYS_MAX], *b[SM_KEYS_MAX];
    const int64_t *values;             /* value columns, each of as many as there are rows */
} sm_segment_rows;

/* Bytes of the memory that building works in; aligned to 16. What was in it is of no account. */
uint64_t sm_segment_work_bytes(void);

/* Writes the segment to out, aligned to 16, and returns its bytes, a multiple of 16; 0 if they are more than room, or rows,
 * keys or widths are out of bounds. */
uint64_t sm_segment_build(const sm_segment_rows *rows, void *work, void *out, uint64_t room);

#endif
