#include "bpf.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef BPF_F_XDP_HAS_FRAGS
#define BPF_F_XDP_HAS_FRAGS (1U << 5) /* Linux 5.18 */
#endif
#define LOAD_TRIES 5

static int call(enum bpf_cmd command, union bpf_attr *attr)
{
    const long done = syscall(SYS_bpf, command, attr, sizeof *attr);
    return done < 0 ? -errno : (int)done;
}

static uint64_t address(const void *pointer)
{
    return (uint64_t)(uintptr_t)pointer;
}

int sm_bpf_map(uint32_t type, uint32_t key_size, uint32_t value_size, uint32_t entries)
{
    union bpf_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.map_type = type;
    attr.key_size = key_size;
    attr.value_size = value_size;
    attr.max_entries = entries;
    return call(BPF_MAP_CREATE, &attr);
}

int sm_bpf_put(int map, const void *key, const void *value)
{
    union bpf_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.map_fd = (uint32_t)map;
    attr.key = address(key);
    attr.value = address(value);
    attr.flags = BPF_ANY;
    return call(BPF_MAP_UPDATE_ELEM, &attr);
}

int sm_bpf_get(int map, const void *key, void *value)
{
    union bpf_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.map_fd = (uint32_t)map;
    attr.key = address(key);
    attr.value = address(value);
    return call(BPF_MAP_LOOKUP_ELEM, &attr);
}

/* The verifier gives up where a signal waits to be handled, which says nothing of the program: signals wait meanwhile. */
static int load(union bpf_attr *attr)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int done = -EAGAIN;
    for (int tries = 0; done == -EAGAIN && tries < LOAD_TRIES; tries++)
        done = call(BPF_PROG_LOAD, attr);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return done;
}

int sm_bpf_load(const void *instructions, uint32_t n, int several, char *log, uint32_t log_size)
{
    static const char LICENSE[] = "Apache-2.0";
    union bpf_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.prog_type = BPF_PROG_TYPE_XDP;
    attr.expected_attach_type = BPF_XDP;
    attr.insns = address(instructions);
    attr.insn_cnt = n;
    attr.license = address(LICENSE);
    attr.prog_flags = several ? BPF_F_XDP_HAS_FRAGS : 0;
    memcpy(attr.prog_name, "sevenm", sizeof "sevenm");
    int program = load(&attr);
    if (program >= 0 || !log_size)
        return program;
    /* Once more for the log alone: a log slows the verifier, and one without room makes it fail. */
    log[0] = 0;
    attr.log_buf = address(log);
    attr.log_size = log_size;
    attr.log_level = 1;
    const int again = load(&attr);
    if (again >= 0)
        close(again);
    return program;
}

int sm_bpf_attach(int program, uint32_t ifindex, uint32_t flags)
{
    union bpf_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.link_create.prog_fd = (uint32_t)program;
    attr.link_create.target_ifindex = ifindex;
    attr.link_create.attach_type = BPF_XDP;
    attr.link_create.flags = flags;
    return call(BPF_LINK_CREATE, &attr);
}

int sm_bpf_replace(int link, int program)
{
    union bpf_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.link_update.link_fd = (uint32_t)link;
    attr.link_update.new_prog_fd = (uint32_t)program;
    return call(BPF_LINK_UPDATE, &attr);
}

int sm_bpf_run(int program, const void *data, uint32_t size, uint32_t queue, uint32_t *verdict)
{
    struct xdp_md context = {.data_end = size, .ingress_ifindex = 1, .rx_queue_index = queue};
    union bpf_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.test.prog_fd = (uint32_t)program;
    attr.test.data_in = address(data);
    attr.test.data_size_in = size;
    attr.test.ctx_in = address(&context);
    attr.test.ctx_size_in = sizeof context;
    attr.test.repeat = 1;
    const int done = call(BPF_PROG_TEST_RUN, &attr);
    if (done >= 0)
        *verdict = attr.test.retval;
    return done;
}
