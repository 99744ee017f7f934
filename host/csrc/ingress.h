/* Where the loop's events come from: operations behind one table of functions. A kind of ingress is a file of its own,
 * with a struct that begins with an sm_ingress and a function that fills it. */
#ifndef SM_INGRESS_H
#define SM_INGRESS_H

#include "index.h"

enum {
    SM_INGRESS_READY = 0, /* there is a burst */
    SM_INGRESS_IDLE = 1,  /* none now, maybe later */
    SM_INGRESS_END = 2,   /* none any more */
    SM_INGRESS_FAULT = 3  /* it cannot go on; the kind's own struct says why */
};

/* Events that lie in one buffer and came in by one port; at least one. */
typedef struct {
    const uint8_t *buffer;
    const sm_event *events;
    uint64_t n;
    uint32_t port, reserved;
} sm_burst;

typedef struct sm_ingress sm_ingress;

/* None of these allocates, and next and release make no system call where the kind can do without. A burst is the loop's
 * until it is released; bursts are released in the order in which they came, before the next one is asked for. */
typedef struct {
    const char *name;
    int (*next)(sm_ingress *ingress, sm_burst *burst); /* SM_INGRESS_… */
    void (*release)(sm_ingress *ingress, const sm_burst *burst);
    void (*close)(sm_ingress *ingress);
    /* Of kinds whose next can be IDLE, else null: sleeps until there may be something. 1: there is, 0: not in that time,
     * or a signal came, < 0: next would be a fault. Not called by the loop, but by who runs it. */
    int (*wait)(sm_ingress *ingress, uint64_t timeout_us);
} sm_ingress_ops;

struct sm_ingress {
    const sm_ingress_ops *ops;
};

/* The operation `release` of kinds whose bursts lie in memory of their own. */
static inline void sm_ingress_keep(sm_ingress *ingress, const sm_burst *burst)
{
    (void)ingress;
    (void)burst;
}

/* A table of events in memory, in bursts of at most `burst`, `passes` times over. */
typedef struct {
    sm_ingress base;
    const uint8_t *buffer;
    const sm_event *events;
    uint64_t n, at, passes;
    uint32_t burst, port;
} sm_memory_ingress;

void sm_memory_ingress_open(sm_memory_ingress *ingress, const uint8_t *buffer, const sm_event *events, uint64_t n,
                            uint32_t burst, uint64_t passes, uint32_t port);

/* Records of one size that lie one after the other, in bursts of at most `burst`; a last one may be shorter. */
typedef struct {
    sm_ingress base;
    const uint8_t *buffer;
    sm_event *table; /* `burst` of them */
    uint64_t size, at;
    uint32_t record, burst, port, reserved;
} sm_records_ingress;

void sm_records_ingress_open(sm_records_ingress *ingress, const uint8_t *buffer, uint64_t size, uint32_t record,
                             sm_event *table, uint32_t burst, uint32_t port);

/* A piece of a pcap or pcapng. It ends where indexing has to stop, and `step` says where and why; its count and clamped
 * are sums over the piece. */
typedef struct {
    sm_ingress base;
    const uint8_t *buffer;
    sm_event *table; /* `burst` of them */
    const sm_interface *interfaces; /* null: a pcap */
    uint64_t end, events;
    uint32_t n_interfaces, link, big, nano, burst, port;
    sm_step step;
} sm_capture_ingress;

/* Bytes [start, end) of buffer, from the start of a record; the other numbers are those of sm_index_…. */
void sm_capture_ingress_open(sm_capture_ingress *ingress, const uint8_t *buffer, uint64_t start, uint64_t end,
                             sm_event *table, uint32_t burst, uint32_t port);

#endif
