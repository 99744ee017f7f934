#include "ingress_replay.h"

#include "clock.h"

static uint64_t now_ns(const sm_replay_ingress *ingress)
{
    return ingress->clock ? *ingress->clock : sm_elapsed_ns();
}

/* When the next event is due: as long after the one before as it was captured, divided by the speed. One without a time,
 * or older than the one before, comes with it. */
static void place(sm_replay_ingress *ingress, uint64_t ts_ns)
{
    ingress->placed = 1;
    if (!ts_ns)
        return;
    if (!ingress->last_ns) {
        ingress->last_ns = ts_ns;
        return;
    }
    if (ts_ns < ingress->last_ns) {
        ingress->backwards++;
        /* A little is out of order, and the later ones keep their places; a lot is a clock that was set. */
        if (ingress->last_ns - ts_ns > SM_REPLAY_REORDERED_NS)
            ingress->last_ns = ts_ns;
        return;
    }
    double gap_ns = (double)(ts_ns - ingress->last_ns) / ingress->speed;
    if (gap_ns > (double)SM_REPLAY_LONGEST_NS) {
        gap_ns = (double)SM_REPLAY_LONGEST_NS;
        ingress->shortened++;
    }
    ingress->due_ns += gap_ns;
    ingress->last_ns = ts_ns;
}

/* Nanoseconds since the start. */
static double elapsed_ns(sm_replay_ingress *ingress)
{
    const uint64_t now = now_ns(ingress);
    if (!ingress->begun) {
        ingress->begun = 1;
        ingress->start_ns = now;
    }
    return (double)(now - ingress->start_ns);
}

/* How many of the held events are due. Who is held up goes on with their distances instead of a burst. */
static uint64_t count_due(sm_replay_ingress *ingress)
{
    const sm_burst *const held = &ingress->held;
    if (ingress->speed == 0)
        return held->n - ingress->at;
    double reached = elapsed_ns(ingress);
    uint64_t i = ingress->at;
    for (; i < held->n; i++) {
        if (!ingress->placed)
            place(ingress, held->events[i].ts_ns);
        if (i == ingress->at && reached - ingress->due_ns > SM_REPLAY_SLACK_NS) {
            const uint64_t late = (uint64_t)(reached - ingress->due_ns) - SM_REPLAY_SLACK_NS;
            ingress->start_ns += late;
            ingress->behind_ns += late;
            reached -= (double)late;
        }
        if (ingress->due_ns > reached)
            break;
        ingress->placed = 0;
    }
    return i - ingress->at;
}

static int next(sm_ingress *base, sm_burst *burst)
{
    sm_replay_ingress *const ingress = (sm_replay_ingress *)base;
    if (!ingress->holds) {
        if (!ingress->piece || ingress->piece->ops->next(ingress->piece, &ingress->held) != SM_INGRESS_READY) {
            ingress->piece = 0;
            return sm_live_nothing(&ingress->live);
        }
        ingress->holds = 1;
        ingress->at = 0;
    }
    const uint64_t n = count_due(ingress);
    if (!n)
        return SM_INGRESS_IDLE;
    *burst = (sm_burst){ingress->held.buffer, ingress->held.events + ingress->at, n, ingress->live.port, 0};
    ingress->at += n;
    ingress->holds = ingress->at < ingress->held.n;
    ingress->live.received += n;
    return SM_INGRESS_READY;
}

/* Until the next event is due. Not called where there is none: that is for who feeds. */
static int wait(sm_ingress *base, uint64_t timeout_us)
{
    sm_replay_ingress *const ingress = (sm_replay_ingress *)base;
    if (ingress->live.ended || ingress->live.fault)
        return -1;
    if (!ingress->holds || !ingress->placed || ingress->speed == 0)
        return 1;
    const double left = ingress->due_ns - elapsed_ns(ingress);
    if (left <= 0)
        return 1;
    const uint64_t most_ns = timeout_us < SM_REPLAY_LONGEST_NS / 1000 ? timeout_us * 1000 : SM_REPLAY_LONGEST_NS;
    const uint64_t ns = left < (double)most_ns ? (uint64_t)left + 1 : most_ns;
    const struct timespec t = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
    if (ingress->clock || nanosleep(&t, 0) != 0)
        return 0; /* a clock of its own goes on by itself; or a signal came */
    return ns < most_ns;
}

static const sm_ingress_ops OPS = {"replay", next, sm_ingress_keep, sm_live_close, wait};

void sm_replay_ingress_open(sm_replay_ingress *ingress, double speed)
{
    *ingress = (sm_replay_ingress){.live = {.base = {&OPS}, .fd = -1}, .speed = speed};
}

void sm_replay_ingress_feed(sm_replay_ingress *ingress, sm_ingress *piece)
{
    ingress->piece = piece;
}
