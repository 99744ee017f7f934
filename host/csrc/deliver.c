#include "deliver.h"

#define TURN_US 1000 /* a look at one channel, where several wait */

static inline uint32_t events_in(const sm_batch *batch, uint64_t chunk)
{
    const uint64_t left = batch->n - chunk * SM_CHUNK;
    return left < SM_CHUNK ? (uint32_t)left : SM_CHUNK;
}

static void resolve(const sm_actions *actions, const sm_batch *batch, uint64_t chunk, const sm_fired *fired,
                    sm_resolved *out)
{
    sm_resolve(actions, fired, batch->chunks[chunk].fired, batch->ports ? batch->ports + chunk * SM_CHUNK : 0,
               events_in(batch, chunk), out);
}

static int send(const sm_batch *batch, uint64_t chunk, uint32_t channel, const sm_resolved *resolved, sm_outlet *outlet,
                sm_accounts *accounts, uint32_t cause)
{
    const sm_matches matches = {
        .buffer = batch->buffer,
        .events = batch->events + chunk * SM_CHUNK,
        .words = resolved->words[channel],
        .n = sm_bits(resolved->words[channel]),
        .malformed = batch->chunks[chunk].malformed,
        .truncated = batch->chunks[chunk].truncated,
        .first = resolved->several >> channel & 1 ? resolved->first[channel] : 0,
        .rule = resolved->rule[channel],
        .generation = batch->generation,
        .engine = batch->engine,
        .source = batch->source,
    };
    return sm_outlet_send(outlet, accounts, channel, &matches, cause);
}

/* Everything is counted, and every channel goes on until it has to wait. Subscribers first: they wait, counts do not. */
static void first_pass(const sm_actions *actions, const sm_batch *batch, sm_outlet *const *outlets,
                       sm_accounts *accounts, sm_cursor *cursor)
{
    const uint32_t cause = cursor->stopping ? SM_CAUSE_STOPPED : SM_CAUSE_NONE;
    sm_resolved *const resolved = &cursor->resolved;
    const sm_fired *fired = batch->fired;

    for (uint64_t chunk = 0; chunk * SM_CHUNK < batch->n; fired += batch->chunks[chunk++].fired) {
        resolve(actions, batch, chunk, fired, resolved);
        for (uint64_t left = resolved->channels & ~cursor->stuck; left; left &= left - 1) {
            const unsigned channel = (unsigned)__builtin_ctzll(left);
            if (!send(batch, chunk, channel, resolved, outlets[channel], accounts, cause)) {
                cursor->stuck |= UINT64_C(1) << channel;
                cursor->chunk[channel] = (uint32_t)chunk;
            }
        }
        sm_account(accounts, batch->events + chunk * SM_CHUNK, events_in(batch, chunk), &batch->chunks[chunk], fired,
                   resolved);
    }
}

/* A channel that waited goes on from its chunk; 0 if it has to wait again. */
static int resume(const sm_actions *actions, const sm_batch *batch, uint32_t channel, sm_outlet *outlet,
                  sm_accounts *accounts, sm_cursor *cursor, uint32_t cause)
{
    const sm_fired *fired = batch->fired;
    for (uint64_t chunk = 0; chunk * SM_CHUNK < batch->n; fired += batch->chunks[chunk++].fired) {
        if (chunk < cursor->chunk[channel])
            continue;
        resolve(actions, batch, chunk, fired, &cursor->resolved);
        if (cursor->resolved.channels >> channel & 1 &&
            !send(batch, chunk, channel, &cursor->resolved, outlet, accounts, cause)) {
            cursor->chunk[channel] = (uint32_t)chunk;
            return 0;
        }
    }
    cursor->stuck &= ~(UINT64_C(1) << channel);
    return 1;
}

int sm_deliver(const sm_actions *actions, const sm_batch *batch, sm_outlet *const *outlets, sm_accounts *accounts,
               sm_cursor *cursor, uint64_t slice_us)
{
    int signal = 0;

    if (!cursor->begun) {
        cursor->begun = 1;
        first_pass(actions, batch, outlets, accounts, cursor);
    }
    for (uint64_t waited = 0; cursor->stuck; waited += TURN_US) {
        const uint64_t alone = !(cursor->stuck & (cursor->stuck - 1));
        for (uint64_t left = cursor->stuck; left; left &= left - 1) {
            const unsigned channel = (unsigned)__builtin_ctzll(left);
            uint32_t cause = SM_CAUSE_STOPPED;
            if (cursor->stopping ||
                sm_outlet_wait(outlets[channel], alone ? slice_us : TURN_US, &cause, &signal))
                resume(actions, batch, channel, outlets[channel], accounts, cursor, cause);
            else if (alone)
                return 0;
        }
        if (cursor->stuck && (signal || waited >= slice_us))
            return 0;
    }
    return 1;
}

int sm_deliver_new(const sm_actions *actions, sm_batch *batch, sm_outlet *const *outlets, sm_accounts *accounts,
                   sm_cursor *cursor, const void *buffer, const void *events, uint64_t n, const void *chunks,
                   const void *fired, const void *ports, uint32_t generation, uint8_t engine, uint8_t source,
                   uint64_t slice_us)
{
    *batch = (sm_batch){buffer, events, n, chunks, fired, ports, generation, engine, source};
    cursor->stuck = 0;
    cursor->begun = cursor->stopping = 0;
    return sm_deliver(actions, batch, outlets, accounts, cursor, slice_us);
}
