/* A piece of a capture, indexed burst by burst while it is warm. */
#include "ingress.h"

static int next(sm_ingress *base, sm_burst *burst)
{
    sm_capture_ingress *const ingress = (sm_capture_ingress *)base;
    const uint64_t start = ingress->step.position, clamped = ingress->step.clamped;

    if (ingress->step.status != SM_STEP_FULL)
        return SM_INGRESS_END;
    if (ingress->interfaces)
        sm_index_pcapng(ingress->buffer, start, ingress->end, ingress->big, ingress->interfaces, ingress->n_interfaces,
                        ingress->link, ingress->table, ingress->burst, &ingress->step);
    else
        sm_index_pcap(ingress->buffer, start, ingress->end, ingress->big, ingress->nano, ingress->table, ingress->burst,
                      &ingress->step);
    ingress->step.clamped += clamped;
    ingress->events += ingress->step.count;
    *burst = (sm_burst){ingress->buffer, ingress->table, ingress->step.count, ingress->port, 0};
    return ingress->step.count ? SM_INGRESS_READY : SM_INGRESS_END;
}

static void finish(sm_ingress *base)
{
    ((sm_capture_ingress *)base)->step.status = SM_STEP_MORE;
}

static const sm_ingress_ops OPS = {"capture", next, sm_ingress_keep, finish, 0};

void sm_capture_ingress_open(sm_capture_ingress *ingress, const uint8_t *buffer, uint64_t start, uint64_t end,
                             sm_event *table, uint32_t burst, uint32_t port)
{
    ingress->base.ops = &OPS;
    ingress->buffer = buffer;
    ingress->table = table;
    ingress->end = end;
    ingress->events = 0;
    ingress->burst = burst;
    ingress->port = port;
    ingress->step = (sm_step){start, 0, 0, 0, 0, SM_STEP_FULL};
}
