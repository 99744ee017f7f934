/* The peer of bench/classify.py: DPDK's rte_acl over the same packets, timed inside the process, as processor time
   of the thread, so that other work on the machine counts little. */
#define _GNU_SOURCE 1
#include <rte_acl.h>
#include <rte_eal.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#define BATCH 256

enum { PROTO, SRC, DST, PORTS, FIELDS = 5 };
RTE_ACL_RULE_DEF(five_tuple, FIELDS);
static struct rte_acl_ctx *context;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Offsets from the start of the Ethernet frame; 4 bytes at a time after the first field, as rte_acl asks for. */
static const struct rte_acl_field_def fields[FIELDS] = {
    {RTE_ACL_FIELD_TYPE_BITMASK, 1, 0, 0, 23}, {RTE_ACL_FIELD_TYPE_MASK, 4, 1, 1, 26},
    {RTE_ACL_FIELD_TYPE_MASK, 4, 2, 2, 30},    {RTE_ACL_FIELD_TYPE_RANGE, 2, 3, 3, 34},
    {RTE_ACL_FIELD_TYPE_RANGE, 2, 4, 3, 36},
};

static uint32_t mask_length(uint32_t lo, uint32_t hi)
{
    return lo == hi ? 32 : (uint32_t)__builtin_clz(hi - lo);
}

/* lo and hi: FIELDS values a rule, in the order source, destination, source port, destination port, protocol. */
int peer_build(const int64_t *lo, const int64_t *hi, uint32_t rules)
{
    static int started;
    char *arguments[] = {"peer", "--no-huge", "--no-pci", "--no-shconf", "--no-telemetry", "-m", "1024",
                         "--log-level=1", "-l", "0"};
    if (!started && rte_eal_init(10, arguments) < 0)
        return -1;
    started = 1;
    struct rte_acl_param param = {"set", SOCKET_ID_ANY, RTE_ACL_RULE_SZ(FIELDS), rules};
    rte_acl_free(context);
    context = rte_acl_create(&param);
    if (!context)
        return -2;
    for (uint32_t r = 0; r < rules; r++, lo += FIELDS, hi += FIELDS) {
        struct five_tuple rule;
        memset(&rule, 0, sizeof rule);
        rule.data.category_mask = 1;
        rule.data.priority = (int32_t)(RTE_ACL_MAX_PRIORITY - r);
        rule.data.userdata = r + 1;
        rule.field[0].value.u8 = (uint8_t)lo[4];
        rule.field[0].mask_range.u8 = lo[4] == hi[4] ? 0xff : 0;
        for (int f = 0; f < 2; f++) {
            rule.field[1 + f].value.u32 = (uint32_t)lo[f];
            rule.field[1 + f].mask_range.u32 = mask_length((uint32_t)lo[f], (uint32_t)hi[f]);
            rule.field[3 + f].value.u16 = (uint16_t)lo[2 + f];
            rule.field[3 + f].mask_range.u16 = (uint16_t)hi[2 + f];
        }
        if (rte_acl_add_rules(context, (struct rte_acl_rule *)&rule, 1))
            return -3;
    }
    struct rte_acl_config config = {.num_categories = 1, .num_fields = FIELDS};
    memcpy(config.defs, fields, sizeof fields);
    if (rte_acl_build(context, &config))
        return -4;
    static const enum rte_acl_classify_alg best[] = {RTE_ACL_CLASSIFY_AVX512X32, RTE_ACL_CLASSIFY_AVX2,
                                                     RTE_ACL_CLASSIFY_SSE, RTE_ACL_CLASSIFY_SCALAR};
    for (unsigned a = 0; a < 4; a++)
        if (!rte_acl_set_ctx_classify(context, best[a]))
            return (int)best[a];
    return -5;
}

/* rule: 0xffff for none; of the last pass. */
uint64_t peer_run(const uint8_t *buffer, uint64_t frame, uint64_t n, uint64_t passes, uint16_t *rule)
{
    uint64_t start = now_ns();
    for (uint64_t pass = 0; pass < passes; pass++)
        for (uint64_t i = 0; i < n; i += BATCH) {
            const uint8_t *data[BATCH];
            uint32_t found[BATCH];
            for (unsigned j = 0; j < BATCH; j++)
                data[j] = buffer + (i + j) * frame;
            rte_acl_classify(context, data, found, BATCH, 1);
            for (unsigned j = 0; j < BATCH; j++)
                rule[i + j] = (uint16_t)(found[j] - 1);
        }
    return now_ns() - start;
}
