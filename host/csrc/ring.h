/* The shared-memory ring of delivered records. */
#ifndef SM_RING_H
#define SM_RING_H

#include "event.h"
#include "record.h"

/* One field of a structure that crosses a boundary, so that Python can compare its own layout with C's. */
typedef struct {
    const char *name; /* "record.seq"; the last entry of a table has a null name */
    uint32_t offset, size; /* bytes */
} sm_field;

extern const sm_field sm_fields[];

#endif
