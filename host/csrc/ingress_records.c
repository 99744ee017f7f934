/* Records of one size: the event table is a matter of counting. */
#include "ingress.h"

static int next(sm_ingress *base, sm_burst *burst)
{
    sm_records_ingress *const ingress = (sm_records_ingress *)base;
    uint32_t n = 0;
    for (; n < ingress->burst && ingress->at < ingress->size; n++) {
        const uint64_t left = ingress->size - ingress->at;
        const uint32_t held = left < ingress->record ? (uint32_t)left : ingress->record;
        ingress->table[n] = (sm_event){ingress->at, 0, held, held};
        ingress->at += held;
    }
    *burst = (sm_burst){ingress->buffer, ingress->table, n, ingress->port, 0};
    return n ? SM_INGRESS_READY : SM_INGRESS_END;
}

static void finish(sm_ingress *base)
{
    ((sm_records_ingress *)base)->at = ((sm_records_ingress *)base)->size;
}

static const sm_ingress_ops OPS = {"records", next, sm_ingress_keep, finish, 0};

void sm_records_ingress_open(sm_records_ingress *ingress, const uint8_t *buffer, uint64_t size, uint32_t record,
                             sm_event *table, uint32_t burst, uint32_t port)
{
    *ingress = (sm_records_ingress){{&OPS}, buffer, table, size, 0, record, burst, port, 0};
}
