/* The two system calls of ring_bell.h. */
#include "ring_bell.h"

#include <errno.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

uint32_t sm_bell_join(void) { return syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0) == 0; }

int sm_bell_barrier(void) { return syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0) == 0; }

int sm_bell_sleep(const _Atomic uint64_t *word, uint64_t seen, uint64_t ns) {
    const struct timespec most = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
    /* Not FUTEX_PRIVATE_FLAG: the word is in another process too. Little endian: the low half comes first. */
    return syscall(SYS_futex, (const void *)word, FUTEX_WAIT, (uint32_t)seen, &most, 0, 0) == 0 || errno != EINTR;
}

void sm_bell_ring(const _Atomic uint64_t *word) { syscall(SYS_futex, (const void *)word, FUTEX_WAKE, INT32_MAX, 0, 0, 0); }

/* Once for each time that the other side goes to sleep: it wants the same number again only where it was not reached. */
void sm_lane_wake(sm_lane *lane, _Atomic uint64_t *word, uint64_t wanted) {
    if (lane->rung == wanted || (int64_t)(lane->mine - wanted) < 0) return;
    lane->rung = wanted;
    sm_bell_ring(word);
}
