#include "select.h"

#include "pcap_write.h"

/* The next match of the burst. 0: it does not fit. */
static int put(sm_selection *s, const sm_event *event, uint64_t number)
{
    static const uint64_t ALONE = 1;
    if (s->form == SM_SELECT_COUNT)
        return 1;
    const uint64_t held = event->cap_len < SM_CAPTURE_MAX ? event->cap_len : SM_CAPTURE_MAX;
    if (s->out_size - s->used < (s->form == SM_SELECT_PCAP ? 16 + held : SM_LINE_MAX))
        return 0;
    if (s->form == SM_SELECT_PCAP)
        s->used += sm_pcap_write(s->burst.buffer, event, 1, &ALONE, SM_CAPTURE_MAX, s->out + s->used);
    else
        s->used += sm_line((char *)s->out + s->used, number, s->burst.buffer, event, &s->date);
    return 1;
}

/* The chunks that were decided, one after the other: `left` are the matches of chunk - 1 that are still to be put. */
static int take(sm_selection *s)
{
    for (;;) {
        const uint64_t first = s->at + (s->chunk - 1) * SM_CHUNK;
        if (s->left && s->form == SM_SELECT_COUNT && s->matched + (uint64_t)__builtin_popcountll(s->left) < s->most) {
            s->matched += (uint64_t)__builtin_popcountll(s->left);
            s->left = 0;
        }
        for (; s->left; s->left &= s->left - 1) {
            const uint64_t i = first + (uint64_t)__builtin_ctzll(s->left);
            if (!put(s, &s->burst.events[i], s->events + i - s->at + 1))
                return SM_SELECT_ROOM;
            if (++s->matched >= s->most) {
                s->events += i - s->at + 1;
                return SM_SELECT_ENOUGH;
            }
        }
        if (s->chunk * SM_CHUNK >= s->decided)
            return SM_SELECT_END;
        for (uint32_t n = s->chunks[s->chunk].fired; n; n--)
            s->left |= s->fired[s->fired_at++].events;
        s->chunk++;
    }
}

int sm_select(sm_selection *s, sm_ingress *ingress)
{
    if (s->matched >= s->most)
        return SM_SELECT_ENOUGH;
    for (;;) {
        if (s->decided) {
            const int why = take(s);
            if (why != SM_SELECT_END)
                return why;
            s->events += s->decided;
            s->at += s->decided;
            s->decided = s->chunk = s->fired_at = 0;
        }
        if (s->has_burst && s->at == s->burst.n) {
            ingress->ops->release(ingress, &s->burst);
            s->has_burst = 0;
        }
        if (!s->has_burst) {
            const int found = ingress->ops->next(ingress, &s->burst);
            if (found != SM_INGRESS_READY)
                return found == SM_INGRESS_END ? SM_SELECT_END : SM_SELECT_FAULT;
            s->has_burst = 1;
            s->at = 0;
        }
        const sm_context context = {0, 0, s->burst.port, 0};
        const uint64_t n = s->burst.n - s->at < SM_SELECT_SPAN ? s->burst.n - s->at : SM_SELECT_SPAN;
        const uint64_t done = s->match(s->burst.buffer, s->burst.events + s->at, n, &context, s->chunks, s->fired,
                                       s->room, 0);
        if (done == 0 || done > n || (done < n && done % SM_CHUNK))
            return SM_SELECT_ENGINE;
        s->decided = done;
        s->left = 0;
    }
}
