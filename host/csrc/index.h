/* Finds the events in a piece of a capture: one table of sm_event over bytes that stay where they were read. */
#ifndef SM_INDEX_H
#define SM_INDEX_H

#include "sm_boundary.h"

#define SM_BLOCK_MAX (16u << 20)   /* most bytes of one pcapng block */

/* Why indexing stopped. Values from SM_STEP_TOO_LONG on are errors at sm_step.position. */
enum {
    SM_STEP_FULL = 0,      /* the table is full */
    SM_STEP_MORE = 1,      /* the record at position needs `need` bytes, fewer are there */
    SM_STEP_CONTROL = 2,   /* a section header or an interface description is at position */
    SM_STEP_TOO_LONG = 3,  /* found: captured length, past SM_CAPTURE_MAX */
    SM_STEP_BLOCK = 4,     /* found: a block length that no block has */
    SM_STEP_TRAILER = 5,   /* found: the length at the end of the block, which differs from the one at its start */
    SM_STEP_OUTSIDE = 6,   /* found: captured length, past the end of the block */
    SM_STEP_INTERFACE = 7, /* found: number of an interface that was not described */
    SM_STEP_LINK = 8       /* found: number of an interface with another link type */
};

typedef struct {
    int64_t offset_s;            /* if_tsoffset */
    uint32_t link, snaplen;      /* link type; 0: no limit */
    uint32_t exponent, binary;   /* a tick is 10^-exponent s, or 2^-exponent s if binary */
} sm_interface;

typedef struct {
    uint64_t position; /* first byte that was not consumed */
    uint64_t need, found;
    uint64_t clamped;  /* events whose length on the wire was below the captured one, and was raised to it */
    uint32_t count;    /* events written */
    uint32_t status;   /* SM_STEP_… */
} sm_step;

/* Indexes bytes [start, end) of buffer, from the start of a record, into at most max events.
 * big: the numbers in the file are big endian. Never reads outside of [start, end). */
void sm_index_pcap(const uint8_t *buffer, uint64_t start, uint64_t end, uint32_t big, uint32_t nano, sm_event *events,
                   uint32_t max, sm_step *step);
void sm_index_pcapng(const uint8_t *buffer, uint64_t start, uint64_t end, uint32_t big, const sm_interface *interfaces,
                     uint32_t n_interfaces, uint32_t link, sm_event *events, uint32_t max, sm_step *step);

#endif
