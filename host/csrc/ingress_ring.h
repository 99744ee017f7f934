/* Records that another process publishes into a ring, matched where they lie. The slots go back when the burst is
 * released. Nothing that the producer writes is trusted: sizes are cut to the slot's, and what it writes over while it
 * is read can make a wrong match, not a wrong access. */
#ifndef SM_INGRESS_RING_H
#define SM_INGRESS_RING_H

#include "ingress_live.h"
#include "ring.h"

typedef struct {
    sm_live live;     /* damaged: records that said they were longer than their slot, and were cut; handed out */
    sm_ring *ring;    /* the reader's side, of a lane that is read in place */
    sm_event *table;  /* `burst` of them */
    uint32_t burst;
    int32_t over;     /* SM_WAIT_CLOSED, SM_WAIT_GONE: why it ended; 0: it did not */
} sm_ring_ingress;

void sm_ring_ingress_open(sm_ring_ingress *ingress, sm_ring *ring, sm_event *table, uint32_t burst, uint32_t port);

/* Records that found no room in the lane since the ring was made, whatever the cause. */
uint64_t sm_ring_ingress_undelivered(const sm_ring_ingress *ingress);

#endif
