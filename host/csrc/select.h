/* One filter over the events of an ingress: how many match, and what becomes of those: nothing, records of a nanosecond
 * pcap, or lines of text. The loop (loop.h) is for rules with channels, rings and generations; this is the plain case,
 * whose output is bytes that the caller writes. Allocates nothing and makes no system call. */
#ifndef SM_SELECT_H
#define SM_SELECT_H

#include "describe.h"
#include "ingress.h"

#define SM_SELECT_SPAN 1024 /* most events that are matched at a time */

enum { SM_SELECT_COUNT = 0, SM_SELECT_PCAP = 1, SM_SELECT_LINES = 2 };

/* Why sm_select came back. */
enum {
    SM_SELECT_END = 0,    /* the ingress has no more events */
    SM_SELECT_ROOM = 1,   /* the next match does not fit into what is left of `out`: empty it and call again */
    SM_SELECT_ENOUGH = 2, /* so many matches as asked for */
    SM_SELECT_ENGINE = 3, /* the engine decided nothing, or more than there was */
    SM_SELECT_FAULT = 4   /* the ingress cannot go on, or has nothing now */
};

/* `events` were looked at, `matched` of them match; up to the last match, where there were enough. */
typedef struct {
    sm_match_function *match;
    sm_chunk *chunks; /* SM_SELECT_SPAN / 64 */
    sm_fired *fired;  /* room of them, at least sm_info.fired_max */
    uint8_t *out;     /* null where matches are only counted; at least SM_SELECT_OUT_MIN */
    uint64_t room, out_size, used, most;
    uint64_t events, matched;
    uint32_t form, has_burst;
    /* where it is, to go on from */
    sm_burst burst;
    uint64_t at, decided, chunk, fired_at, left;
    sm_date date;
} sm_selection;

#define SM_SELECT_OUT_MIN (SM_CAPTURE_MAX + 16)

/* A selection is zeroed memory with the fields up to `out_size`, `most` and `form` filled in. Goes on where it was, until
 * there is a reason to come back. */
int sm_select(sm_selection *selection, sm_ingress *ingress);

#endif
