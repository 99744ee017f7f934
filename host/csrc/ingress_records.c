/* Records of one size: the event table says where they lie in a burst, so that of all bursts it is the same. */
#include "ingress.h"

static int next(sm_ingress *base, sm_burst *burst)
{
    sm_records_ingress *const ingress = (sm_records_ingress *)base;
    const uint64_t left = ingress->size - ingress->at, whole = left / ingress->record, cut = left % ingress->record;
    uint64_t n = whole < ingress->burst ? whole : ingress->burst;
    *burst = (sm_burst){ingress->buffer + ingress->at, ingress->table, n, ingress->port, 0};
    ingress->at += n * ingress->record;
    if (n < ingress->burst && cut) {
        ingress->table[n].cap_len = ingress->table[n].wire_len = (uint32_t)cut;
        ingress->at += cut;
        burst->n = ++n;
    }
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
    for (uint32_t n = 0; n < burst; n++)
        table[n] = (sm_event){(uint64_t)n * record, 0, record, record};
}
