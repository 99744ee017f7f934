/* The loop over the frames of a DPDK device, with counters. Once it is warm, two writes to no file mark for strace where the
 * loop runs, and what was allocated between them is printed. Arguments: a device; events; seeded fault (none, malloc,
 * syscall); events between two faults. */
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"
#include "ingress_live_dpdk.h"
#include "loop.h"

extern uint64_t counted_allocations(void) __attribute__((weak));

static sm_loop loop;
static sm_dpdk_ingress frames;
static sm_ingress faulty;
static const char *fault;
static void *volatile leftover;

static uint64_t match(const uint8_t *buffer, const sm_event *events, uint64_t n, const sm_context *context,
                      sm_chunk *chunks, sm_fired *fired, uint64_t room, uint16_t *ports)
{
    (void)context, (void)ports, (void)room;
    for (uint64_t at = 0; at < n; at += SM_CHUNK) {
        const uint64_t left = n - at, all = left < 64 ? (UINT64_C(1) << left) - 1 : UINT64_MAX;
        uint64_t odd = 0;
        for (uint64_t i = 0; i < 64 && i < left; i++)
            odd |= (uint64_t)(buffer[events[at + i].offset + events[at + i].cap_len - 1] & 1) << i;
        chunks[at / 64] = (sm_chunk){odd, 0, 0, 1, 0};
        fired[at / 64] = (sm_fired){all, 0, 0};
    }
    return n;
}

static int next(sm_ingress *ingress, sm_burst *burst)
{
    (void)ingress;
    if (!strcmp(fault, "malloc")) {
        leftover = malloc(100);
        free(leftover);
    }
    if (!strcmp(fault, "syscall"))
        syscall(SYS_getppid);
    return frames.live.base.ops->next(&frames.live.base, burst);
}

static void release(sm_ingress *ingress, const sm_burst *burst)
{
    (void)ingress;
    frames.live.base.ops->release(&frames.live.base, burst);
}

static void finish(sm_ingress *ingress)
{
    (void)ingress;
}

int main(int argc, char **argv)
{
    static const uint32_t START[] = {0, 0}, COUNTED[] = {0, 1}, COUNTERS[] = {0};
    static const uint16_t FORWARD[] = {0};
    static const uint8_t DROP[] = {0};
    static const sm_ingress_ops OPS = {"faulty", next, release, finish, 0};
    char *words[] = {"warm", "--no-telemetry", "--no-pci", "--no-shconf", "--no-huge", "-m", "64"};
    const char *step = "";
    CHECK(argc == 4);
    const uint64_t n = strtoull(argv[2], 0, 10);
    fault = argv[3];
    CHECK(sm_dpdk_start(7, words) == 0);
    frames.table = calloc(SM_DPDK_BURST, sizeof *frames.table);
    frames.room = calloc(SM_DPDK_BURST, SM_LIVE_SLOT);
    frames.snap = UINT32_MAX;
    CHECK(frames.table && frames.room && sm_dpdk_probe(&frames, argv[1]) == 0);
    CHECK(sm_dpdk_open(&frames, 1, 0, &step) == 0);
    uint64_t numbers[4 + SM_CAUSES] = {0};
    sm_accounts accounts = {.rules = numbers, .counters = numbers + 1, .matched = numbers + 2, .delivered = numbers + 2,
                            .waiting = numbers + 2, .undelivered = numbers + 3, .channels = 0};
    const sm_actions actions = {1, 0, 1, 0, {START, COUNTED}, {COUNTED, COUNTERS}, FORWARD, DROP};
    const sm_program program = {match, 0, 0, &actions, &accounts, 0, calloc(SM_SPAN / 64, sizeof(sm_chunk)),
                                calloc(SM_SPAN / 64, sizeof(sm_fired)), 0, SM_SPAN / 64, 1, SM_ENGINE_HOST};
    CHECK(program.chunks && program.fired);
    faulty.ops = &OPS;
    sm_loop_publish(&loop, &program);
    CHECK(sm_loop_run(&loop, &faulty, n, 1000) == SM_LOOP_LIMIT);
    const uint64_t before = counted_allocations ? counted_allocations() : 0;
    CHECK(write(-1, "begin", 5) < 0);
    CHECK(sm_loop_run(&loop, &faulty, n, 1000) == SM_LOOP_LIMIT);
    CHECK(write(-1, "end", 3) < 0);
    const uint64_t allocated = counted_allocations ? counted_allocations() - before : 0;
    CHECK(accounts.events == 2 * n && numbers[1] == 2 * n);
    sm_loop_abandon(&loop, &faulty);
    frames.live.base.ops->close(&frames.live.base);
    CHECK(frames.dropped == 0 && frames.errors == 0 && frames.live.damaged == 0 && frames.too_long == 0);
    printf("%llu allocations, %llu received\n", (unsigned long long)allocated, (unsigned long long)frames.live.received);
    free(frames.table);
    free(frames.room);
    free(program.chunks);
    free(program.fired);
    return 0;
}
