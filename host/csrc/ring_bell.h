/* Sleep and wake between the two sides of a lane, with no fence where records flow.
 *
 * Who sleeps (A) waits for an index of the other side (B) to come to a number. A stores the number where B sees it, has a
 * barrier run in B's process, looks at the index once more, and sleeps on its low half (futex). B stores its index, then
 * loads what A wants, and wakes A if that is reached. Left to themselves both could load before their stores are seen:
 * B misses A's wish, A the new index, and A sleeps on. Dekker's remedy is a full fence on both sides, which B would pay
 * for with every record. Here A pays for both: membarrier(GLOBAL_EXPEDITED) returns when every running thread of the
 * processes that take part has passed a full barrier. If B's store comes before it, A's second look sees the new index; if
 * it comes after, so does B's load, which sees A's wish. An index that changes between A's look and its sleep is noticed
 * by the kernel, which compares.
 *
 * Where the kernel, or the other process, has no membarrier, A sleeps in short naps instead. A side that dies wakes
 * nobody: nobody sleeps for longer than SM_SLICE_US before it looks whether the other lives. */
#ifndef SM_RING_BELL_H
#define SM_RING_BELL_H

#include "ring.h"

#ifndef SM_SLICE_US /* a test has them longer, so that nothing but the other side ends a sleep */
#define SM_SLICE_US 100000
#endif

/* This process takes part from now on: 1, or 0 where it cannot. */
uint32_t sm_bell_join(void);

/* Every running thread of those that take part has passed a barrier: 1, or 0 where that cannot be had. */
int sm_bell_barrier(void);

/* Sleeps while *word still is `seen`, at most ns. 0 when a signal handler ran. */
int sm_bell_sleep(const _Atomic uint64_t *word, uint64_t seen, uint64_t ns);

/* Wakes who sleeps on the word. */
void sm_bell_ring(const _Atomic uint64_t *word);

#endif
