/* Replay: a table of events that is in memory already. */
#include "ingress.h"

static int next(sm_ingress *base, sm_burst *burst)
{
    sm_memory_ingress *const ingress = (sm_memory_ingress *)base;
    if (ingress->at == ingress->n) {
        ingress->at = 0;
        ingress->passes -= ingress->passes != 0;
    }
    if (!ingress->passes || !ingress->n)
        return SM_INGRESS_END;
    const uint64_t left = ingress->n - ingress->at;
    *burst = (sm_burst){ingress->buffer, ingress->events + ingress->at, left < ingress->burst ? left : ingress->burst,
                        ingress->port, 0};
    ingress->at += burst->n;
    return SM_INGRESS_READY;
}

static void finish(sm_ingress *base)
{
    ((sm_memory_ingress *)base)->passes = 0;
}

static const sm_ingress_ops OPS = {"memory", next, sm_ingress_keep, finish, 0};

void sm_memory_ingress_open(sm_memory_ingress *ingress, const uint8_t *buffer, const sm_event *events, uint64_t n,
                            uint32_t burst, uint64_t passes, uint32_t port)
{
    *ingress = (sm_memory_ingress){{&OPS}, buffer, events, n, 0, passes, burst, port};
}
