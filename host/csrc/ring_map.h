/* Where things lie in a ring's file, and how they come into a process's memory: the header, room for a histogram of each
 * side, then the lanes. Where a lane is as large as a huge page, lanes begin at multiples of one, in the file and in
 * memory, and the kernel is asked for huge pages. Whether it has any changes nothing but speed. */
#ifndef SM_RING_MAP_H
#define SM_RING_MAP_H

#include "ring_file.h"

/* Where the histogram lies that bit `which` of sm_ring_stats.measured stands for. */
#define SM_RING_HISTOGRAM_AT(which) ((1u + (which)) * SM_RING_HEADER)

/* Where a lane's slots begin in the file; that of the lane after the last one is the file's size. */
uint64_t sm_ring_lane_at(const sm_ring_header *head, uint32_t lane);

/* Not ftruncate: memory that is not there must be an error here, not a SIGBUS later. */
int sm_ring_get_memory(int fd, const char *name, uint64_t from, uint64_t to, char *error);

/* The file is the handle's from here on; if there is none (null) it stays the caller's. errno tells why. */
sm_ring *sm_ring_map(sm_ring_file *file, int role, const char *name, const sm_ring_header *head);

/* Memory for this lane, which is mapped: of huge pages, if the kernel has some. */
int sm_ring_back_lane(sm_ring *r, const sm_ring_header *head, uint32_t lane, char *error);

/* And frees the handle. */
void sm_ring_unmap(sm_ring *r);

#endif
