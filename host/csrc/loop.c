#include "loop.h"

int sm_loop_add_outlet(sm_loop *loop, sm_outlet *outlet)
{
    const uint32_t n = atomic_load_explicit(&loop->n_outlets, memory_order_relaxed);
    if (n == SM_OUTLETS_MAX)
        return 0;
    loop->outlets[n] = outlet;
    atomic_store_explicit(&loop->n_outlets, n + 1, memory_order_release);
    return 1;
}

void sm_loop_publish(sm_loop *loop, const sm_program *program)
{
    atomic_store_explicit(&loop->published, program, memory_order_seq_cst);
}

int sm_loop_uses(const sm_loop *loop, const sm_program *program)
{
    return atomic_load_explicit(&loop->published, memory_order_seq_cst) == program ||
           atomic_load_explicit(&loop->used, memory_order_seq_cst) == program;
}

void sm_loop_stop(sm_loop *loop, uint32_t how)
{
    atomic_store_explicit(&loop->stop, how, memory_order_release);
}

uint64_t sm_loop_events(const sm_loop *loop)
{
    return atomic_load_explicit(&loop->events, memory_order_relaxed);
}

void sm_loop_watch(sm_loop *loop, sm_latency *latency)
{
    loop->latency = latency;
}

/* The program that counts from here on. Nothing is stored while it stays the same. */
static const sm_program *take(sm_loop *loop)
{
    const sm_program *used = atomic_load_explicit(&loop->used, memory_order_relaxed);
    const sm_program *program = atomic_load_explicit(&loop->published, memory_order_acquire);
    while (program != used) {
        /* Said first, then looked again: it may have been exchanged, and freed, before it was said. */
        atomic_store_explicit(&loop->used, program, memory_order_seq_cst);
        used = program;
        program = atomic_load_explicit(&loop->published, memory_order_seq_cst);
    }
    return program;
}

static int leave(sm_loop *loop, int why)
{
    atomic_store_explicit(&loop->used, (const sm_program *)0, memory_order_seq_cst);
    return why;
}

/* The producers of the rings go on. Not for each batch: a turn of few events comes soon enough, a long one does it here. */
static void beat(sm_loop *loop)
{
    const uint32_t n = atomic_load_explicit(&loop->n_outlets, memory_order_acquire);
    for (uint32_t i = 0; i < n; i++)
        sm_ring_beat(loop->outlets[i]->ring);
}

static void drain(sm_loop *loop)
{
    const uint32_t n = atomic_load_explicit(&loop->n_outlets, memory_order_acquire);
    for (uint32_t i = 0; i < n; i++)
        if (loop->outlets[i]->put != loop->outlets[i]->taken)
            sm_outlet_drain(loop->outlets[i]);
}

/* Decides the next events of the burst. 0: the engine is at fault. */
static uint64_t match(sm_loop *loop, const sm_program *program, uint64_t most)
{
    const sm_burst *burst = &loop->burst;
    const sm_context context = {program->tables, program->states, burst->port, 0};
    uint64_t n = burst->n - loop->at;
    if (n > SM_SPAN)
        n = SM_SPAN;
    if (n > most)
        n = most;
    const sm_event *events = burst->events + loop->at;
    const uint64_t done = program->match(burst->buffer, events, n, &context, program->chunks, program->fired,
                                         program->room, program->ports);
    if (done == 0 || done > n || (done < n && done % SM_CHUNK))
        return 0;
    if (loop->latency)
        sm_latency_decided(loop->latency, (const uint8_t *)&events->ts_ns, sizeof *events, done);
    loop->at += done;
    loop->program = program;
    loop->batch = (sm_batch){burst->buffer, events, done, program->chunks, program->fired, program->ports,
                             program->generation, program->engine, (uint8_t)burst->port};
    loop->cursor.stuck = 0;
    loop->cursor.begun = 0;
    loop->has_batch = 1;
    atomic_store_explicit(&loop->events, atomic_load_explicit(&loop->events, memory_order_relaxed) + done,
                          memory_order_relaxed);
    return done;
}

int sm_loop_run(sm_loop *loop, sm_ingress *ingress, uint64_t events, uint64_t slice_us)
{
    uint64_t next_beat = events;
    for (;;) {
        if (events <= next_beat) {
            beat(loop);
            next_beat = events > SM_BEAT_EVENTS ? events - SM_BEAT_EVENTS : 0;
        }
        const uint32_t stop = atomic_load_explicit(&loop->stop, memory_order_acquire);
        if (loop->has_batch) {
            const sm_program *program = loop->program;
            loop->cursor.stopping = stop == SM_STOP_WAITING;
            if (!sm_deliver(program->actions, &loop->batch, program->outlets, program->accounts, &loop->cursor, slice_us))
                return SM_LOOP_WAITS;
            if (loop->latency)
                sm_latency_delivered(loop->latency, loop->batch.n);
            loop->has_batch = 0;
        }
        if (loop->has_burst && loop->at == loop->burst.n) {
            ingress->ops->release(ingress, &loop->burst);
            loop->has_burst = 0;
        }
        if (stop != SM_GO)
            return leave(loop, SM_LOOP_STOPPED);
        if (!events)
            return leave(loop, SM_LOOP_LIMIT);
        if (!loop->has_burst) {
            drain(loop);
            const int found = ingress->ops->next(ingress, &loop->burst);
            if (found != SM_INGRESS_READY)
                return leave(loop, found == SM_INGRESS_END    ? SM_LOOP_END
                                   : found == SM_INGRESS_IDLE ? SM_LOOP_IDLE
                                                              : SM_LOOP_FAULT);
            loop->has_burst = 1;
            loop->at = 0;
        }
        const sm_program *program = take(loop);
        if (!program)
            return SM_LOOP_EMPTY;
        const uint64_t done = match(loop, program, events);
        if (!done)
            return leave(loop, SM_LOOP_ENGINE);
        events -= done;
    }
}

uint64_t sm_loop_abandon(sm_loop *loop, sm_ingress *ingress)
{
    if (!loop->has_burst)
        return 0;
    const uint64_t left = loop->burst.n - loop->at;
    ingress->ops->release(ingress, &loop->burst);
    loop->has_burst = 0;
    return left;
}

int sm_loop_flush(sm_loop *loop, uint64_t slice_us)
{
    const uint32_t n = atomic_load_explicit(&loop->n_outlets, memory_order_acquire);
    const uint32_t stop = atomic_load_explicit(&loop->stop, memory_order_acquire);
    int empty = 1;
    beat(loop);
    for (uint32_t i = 0; i < n; i++)
        empty &= sm_outlet_flush(loop->outlets[i], stop == SM_STOP_WAITING ? SM_CAUSE_STOPPED : SM_CAUSE_NONE, slice_us);
    return empty;
}
