/* Records that another process publishes into a ring, matched where they lie. The slots go back when the burst is
 * released. Nothing that the producer writes is trusted: sizes are cut to the slot's, and what it writes over while it
 * is read can make a wrong match, not a wrong access. */
#ifndef SM_INGRESS_RING_H
#define SM_INGRESS_RING_H

#include "ingress.h"
#include "ring.h"

typedef struct {
    sm_ingress base;
    sm_ring *ring;    /* the reader's side */
    sm_event *table;  /* `burst` of them */
    uint64_t received;
    uint32_t burst, port;
    int ended;        /* SM_WAIT_CLOSED, SM_WAIT_GONE: no more will come once it is empty; otherwise 0 */
    uint32_t reserved;
} sm_ring_ingress;

void sm_ring_ingress_open(sm_ring_ingress *ingress, sm_ring *ring, sm_event *table, uint32_t burst, uint32_t port);

#endif
