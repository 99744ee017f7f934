/* The two ends of bench/xdp.py: who has the kernel send frames as fast as it can, and who receives and looks at nothing. */
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ingress.h"

#define LIVE_FRAMES (1U << 1) /* BPF_F_TEST_XDP_LIVE_FRAMES, Linux 5.18 */

/* The program on n frames that begin as this one, as if they came in by the interface, and sends what it answers with
 * XDP_TX. 0, or -errno. */
int bench_send(int program, uint32_t ifindex, const uint8_t *frame, uint32_t size, uint32_t n)
{
    struct xdp_md context = {.data_end = size, .ingress_ifindex = ifindex};
    union bpf_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.test.prog_fd = (uint32_t)program;
    attr.test.data_in = (uint64_t)(uintptr_t)frame;
    attr.test.data_size_in = size;
    attr.test.ctx_in = (uint64_t)(uintptr_t)&context;
    attr.test.ctx_size_in = sizeof context;
    attr.test.flags = LIVE_FRAMES;
    attr.test.batch_size = 64;
    attr.test.repeat = n;
    return syscall(SYS_bpf, BPF_PROG_TEST_RUN, &attr, sizeof attr) < 0 ? -errno : 0;
}

/* What is there now, received and given back. */
uint64_t bench_bare(sm_ingress *ingress)
{
    sm_burst burst;
    uint64_t n = 0;
    while (ingress->ops->next(ingress, &burst) == SM_INGRESS_READY) {
        n += burst.n;
        ingress->ops->release(ingress, &burst);
    }
    return n;
}
