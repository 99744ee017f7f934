/* A reader of several rings sleeps until any of them has something: their producers share the work of one channel. */
#ifndef SM_RING_WAIT_ANY_H
#define SM_RING_WAIT_ANY_H

#include "ring.h"

#define SM_WAIT_ANY_MAX 64

/* As sm_ring_wait, over 1 to SM_WAIT_ANY_MAX rings that this thread reads. `which`: the ring that the result is about;
 * it is asked for anew, in turn after `which`, so that none that is always ready hides another. A ring that is CLOSED,
 * GONE or at FAULT says so each time: leave it out then. TIME and SIGNAL are about none. */
int sm_ring_wait_any(sm_ring *const *rings, uint32_t n, uint64_t timeout_us, uint32_t *which);

#endif
