/* Rings without a name: the memory of a descriptor (memfd), sealed, so that nobody who has it can shrink it, and with that
 * kill the others by SIGBUS. Who is handed the descriptor, over a socket or through fork and exec, takes part. */
#ifndef SM_RING_MEMFD_H
#define SM_RING_MEMFD_H

#include "ring_file.h"

/* Makes a memory of so many bytes, sealed, of huge pages if `huge`. *shown is its descriptor, to be handed on. On SM_RING_OK
 * the producer's byte is locked. label: for people, in /proc. */
int sm_ring_memfd_make(const char *label, uint64_t bytes, int huge, sm_ring_file *file, int *shown, char *error);

/* Opens the memory behind a descriptor for this role, and takes a lane as sm_ring_file_take does, after having looked that
 * it is sealed. The descriptor stays the caller's. name: what messages call it. */
int sm_ring_memfd_take(int descriptor, const char *name, int role, const char *subscriber, sm_ring_file *file, char *error);

#endif
