/* bpf(2), as far as an XDP program needs it: maps, loading, attaching by a link, running on bytes that the caller has.
 *
 * A link is a descriptor: the program leaves the interface when it is closed, and so when the process dies. Everything
 * here belongs to the control plane. Results are a descriptor or 0, or -errno. */
#ifndef SM_BPF_H
#define SM_BPF_H

#include <linux/bpf.h>
#include <stdint.h>

int sm_bpf_map(uint32_t type, uint32_t key_size, uint32_t value_size, uint32_t entries);
int sm_bpf_put(int map, const void *key, const void *value);
/* The value of a per-CPU map is one for each possible CPU, each rounded up to 8 bytes. */
int sm_bpf_get(int map, const void *key, void *value);

/* n instructions of 8 bytes, as an XDP program. several: which is also run on frames of several buffers; its context
 * has the first one. What the verifier says goes into log, NUL at its end, if it refuses. */
int sm_bpf_load(const void *instructions, uint32_t n, int several, char *log, uint32_t log_size);

/* flags: XDP_FLAGS_DRV_MODE or XDP_FLAGS_SKB_MODE. */
int sm_bpf_attach(int program, uint32_t ifindex, uint32_t flags);
int sm_bpf_replace(int link, int program);

/* What the program says of these bytes, as if they had come in by that queue of `lo`: XDP_…. The counts it keeps count. */
int sm_bpf_run(int program, const void *data, uint32_t size, uint32_t queue, uint32_t *verdict);

#endif
