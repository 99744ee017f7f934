/* The producer's flow of records: into every lane that is open, the ones that have to be waited for last. */
#include "ring_wait.h"

typedef uint64_t quad __attribute__((vector_size(32)));

/* n records into slots that lie one after the other. The number of a record with a header is put in on the way, in a
 * register: a store to a line that a long copy has just written waits for it. */
static inline __attribute__((always_inline)) void copy_run(uint8_t *to, uint64_t seq, const uint8_t *from, uint64_t n,
                                                           uint32_t size, uint32_t header) {
    for (const uint64_t end = seq + n; seq < end; seq++, to += size, from += size) {
        sm_ring_ahead(to, size);
        if (header) {
            quad head;
            memcpy(&head, from, sizeof head);
            head[offsetof(sm_record, seq) / 8] = seq;
            memcpy(to, &head, sizeof head);
        }
        for (uint32_t k = header; k < size; k += 32) memcpy(to + k, from + k, 32);
    }
}

/* The usual sizes unrolled. */
static inline __attribute__((always_inline)) void copy_sized(uint8_t *to, uint64_t seq, const uint8_t *from, uint64_t n,
                                                             uint32_t size, uint32_t header) {
    if (header) {
        switch (size) {
        case 96: copy_run(to, seq, from, n, 96, SM_RECORD_HEADER); break;
        case 128: copy_run(to, seq, from, n, 128, SM_RECORD_HEADER); break;
        default: copy_run(to, seq, from, n, size, SM_RECORD_HEADER);
        }
        return;
    }
    switch (size) {
    case 32: copy_run(to, seq, from, n, 32, 0); break;
    case 64: copy_run(to, seq, from, n, 64, 0); break;
    default: copy_run(to, seq, from, n, size, 0);
    }
}

static void copy_plain(uint8_t *to, uint64_t seq, const uint8_t *from, uint64_t n, uint32_t size, uint32_t header) {
    copy_sized(to, seq, from, n, size, header);
}

#ifdef SM_WIDE
/* The same with moves of 32 bytes, where the processor has them. */
static SM_WIDE void copy_wide(uint8_t *to, uint64_t seq, const uint8_t *from, uint64_t n,
                                                      uint32_t size, uint32_t header) {
    copy_sized(to, seq, from, n, size, header);
}
#endif

static void copy(uint8_t *to, uint64_t seq, const uint8_t *from, uint64_t n, uint32_t size, uint32_t header) {
#ifdef SM_WIDE
    if (sm_wide()) {
        copy_wide(to, seq, from, n, size, header);
        return;
    }
#endif
    copy_plain(to, seq, from, n, size, header);
}

/* The same where the reader may be copying what is written over: by words, so that it sees old ones and new ones. */
static void copy_words(uint8_t *base, uint64_t mask, uint64_t start, const uint8_t *from, uint64_t n, uint32_t size,
                       uint32_t number) {
    for (uint64_t seq = start; seq < start + n; seq++, from += size) {
        _Atomic uint64_t *const to = (_Atomic uint64_t *)(void *)(base + (seq & mask) * size);
        for (uint32_t k = 0; k < size / 8; k++) {
            uint64_t word = seq;
            if (k != number) memcpy(&word, from + 8 * k, 8);
            atomic_store_explicit(&to[k], word, memory_order_relaxed);
        }
    }
}

void sm_lane_copy(const sm_ring *r, sm_lane *lane, const uint8_t *from, uint64_t n) {
    const uint64_t mask = r->slots - 1;
    if (lane->policy == SM_RING_DROP_OLDEST) {
        const uint32_t number = r->record_header ? offsetof(sm_record, seq) / 8 : UINT32_MAX;
        copy_words(lane->base, mask, lane->mine, from, n, r->slot_size, number);
        return;
    }
    const uint64_t at = lane->mine & mask, end = r->slots - at, first = n < end ? n : end;
    copy(lane->base + at * r->slot_size, lane->mine, from, first, r->slot_size, r->record_header);
    copy(lane->base, lane->mine + first, from + first * r->slot_size, n - first, r->slot_size, r->record_header);
}

/* Puts what has room into the lane. Returns how many of the n records are dealt with, delivered or counted: all, unless
 * the lane has to be waited for. */
static uint64_t offer(sm_ring *r, sm_lane *lane, const uint8_t *from, uint64_t n) {
    /* In pieces, so that the reader can begin before the last is there. */
    const uint64_t most = lane->policy == SM_RING_DROP_NEWEST ? r->slots : r->slots / 4;
    for (uint64_t done = 0; done < n;) {
        uint64_t piece = n - done < most ? n - done : most, room = sm_lane_room(r, lane, piece);
        const uint64_t granted = room < piece ? room : piece;
        if (granted) {
            sm_lane_copy(r, lane, from + done * r->slot_size, granted);
            sm_lane_commit(lane, granted);
            lane->got += granted;
        }
        if (granted < piece) {
            const uint32_t cause = sm_lane_refusal(lane);
            if (cause == SM_CAUSE_NONE) return done + granted;
            sm_lane_count(r, lane, cause, piece - granted);
        }
        done += piece;
    }
    return n;
}

/* Waits for the lanes of the set that have got fewer than n records, in turns, as long as timeout_us or until a signal. */
static void wait_for(sm_ring *r, uint32_t waiting, const uint8_t *from, uint64_t n, uint64_t timeout_us) {
    const uint64_t end = sm_elapsed_us() + timeout_us;
    for (int signal = 0; waiting && !signal;) {
        const int alone = !(waiting & (waiting - 1));
        for (uint32_t left = waiting; left; left &= left - 1) {
            sm_lane *const lane = &r->lanes[__builtin_ctz(left)];
            const uint64_t missing = n - lane->ahead, some = r->slots / 4, now = sm_elapsed_us();
            const uint64_t slice = now >= end ? 0 : alone ? end - now : SM_TURN_US;
            uint32_t cause;
            if (!sm_lane_await(r, lane, (uint32_t)(missing < some ? missing : some), slice, &cause, &signal)) continue;
            lane->ahead += offer(r, lane, from + lane->ahead * r->slot_size, missing);
            if (lane->ahead == n) waiting &= ~(1u << lane->number);
        }
        if (sm_elapsed_us() >= end) return;
    }
}

/* The first n records lie in the ring now. */
static void arrived(sm_ring *r, const uint8_t *records, uint64_t n) {
    const uint64_t now = sm_now_ns();
    for (uint64_t i = 0, at; i < n; i++) {
        memcpy(&at, records + i * r->slot_size + offsetof(sm_record, ts_ns), sizeof at);
        sm_histogram_age(r->latency, now, at);
    }
}

uint64_t sm_ring_write(sm_ring *r, const void *records, uint64_t n, uint64_t *done, uint64_t timeout_us) {
    const uint8_t *const from = (const uint8_t *)records + *done * r->slot_size;
    const uint64_t left = n - *done;
    uint32_t waiting = 0;
    uint64_t behind = left, got = UINT64_MAX, most = 0;
    sm_ring_beat(r);
    if (!*done && !r->writing) {
        if (sm_ring_rolled(r)) sm_ring_follow(r);
        for (uint32_t open = r->open; open; open &= open - 1) r->lanes[__builtin_ctz(open)].got = 0;
    }
    for (uint32_t open = r->open; open; open &= open - 1) {
        sm_lane *const lane = &r->lanes[__builtin_ctz(open)];
        lane->ahead += offer(r, lane, from + lane->ahead * r->slot_size, left - lane->ahead);
        if (lane->ahead < left) waiting |= 1u << lane->number;
    }
    if (waiting) wait_for(r, waiting, from, left, timeout_us);
    for (uint32_t open = r->open; open; open &= open - 1) {
        const sm_lane *const lane = &r->lanes[__builtin_ctz(open)];
        if (lane->ahead < behind) behind = lane->ahead;
        if (lane->got < got) got = lane->got;
        if (lane->got > most) most = lane->got;
    }
    for (uint32_t open = r->open; open; open &= open - 1) r->lanes[__builtin_ctz(open)].ahead -= behind;
    r->writing = behind < left;
    if (r->latency && !r->writing && left) arrived(r, records, most);
    *done += behind;
    return got;
}

uint64_t sm_ring_write_all(sm_ring *r, const void *records, uint64_t n, uint64_t *done, uint64_t timeout_us) {
    *done = 0;
    if (r->lanes->fault) return SM_RING_FAULTY;
    const uint64_t got = sm_ring_write(r, records, n, done, timeout_us);
    return *done == n && !r->lanes->fault ? got : SM_RING_NOT_YET;
}

void sm_ring_give_up(sm_ring *r, uint32_t cause, uint64_t n) {
    if (r->lanes->fault == SM_RING_DISOWNED) return;
    for (uint32_t open = r->open; open; open &= open - 1) {
        sm_lane *const lane = &r->lanes[__builtin_ctz(open)];
        sm_lane_count(r, lane, cause, n - lane->ahead);
        lane->ahead = 0;
    }
    r->writing = 0;
}

/* All n free slots of the default lane, or what is left when waiting for them ends; *cause says why. */
static uint64_t room_or_cause(sm_ring *r, sm_lane *lane, uint32_t n, uint32_t *cause) {
    uint64_t room = sm_lane_room(r, lane, n);
    *cause = room >= n ? SM_CAUSE_NONE : sm_lane_refusal(lane);
    while (room < n && *cause == SM_CAUSE_NONE) {
        int signal = 0;
        sm_lane_await(r, lane, n, 1000000, cause, &signal);
        room = sm_lane_room(r, lane, n);
        if (signal && *cause == SM_CAUSE_NONE) *cause = SM_CAUSE_STOPPED;
    }
    return room;
}

uint32_t sm_ring_make_room(sm_ring *r, uint32_t n) {
    uint32_t cause;
    sm_ring_beat(r);
    if (sm_ring_rolled(r)) sm_ring_follow(r);
    r->staged = !r->direct && r->lanes->fault != SM_RING_DISOWNED;
    if (r->staged) return n;
    const uint64_t room = room_or_cause(r, r->lanes, n, &cause);
    if (room >= n) return n;
    sm_lane_count(r, r->lanes, cause, n - room);
    return (uint32_t)room;
}

uint64_t sm_ring_put(sm_ring *r, const void *records, uint64_t n) {
    uint64_t done = 0, got = 0;
    while (done < n) {
        const uint64_t before = sm_elapsed_us();
        got = sm_ring_write(r, records, n, &done, 1000000);
        /* Back before its time: a signal handler ran. */
        if (done < n && sm_elapsed_us() - before < 1000000) {
            sm_ring_give_up(r, SM_CAUSE_STOPPED, n - done);
            return got;
        }
    }
    return got;
}

void sm_ring_spread(sm_ring *r, uint32_t n) { sm_ring_put(r, r->stage, n); }

uint64_t sm_ring_reserve_now(sm_ring *r, uint64_t n) {
    sm_lane *const lane = r->lanes;
    if (lane->fault || !r->direct || sm_ring_rolled(r)) return SM_RING_NOT_YET;
    const uint64_t at = lane->mine & (r->slots - 1), end = r->slots - at, wanted = n < end ? n : end;
    if (sm_lane_room(r, lane, wanted) < wanted) return SM_RING_NOT_YET;
    r->staged = 0;
    return at << 32 | wanted;
}

/* Numbers the records first; for a producer that filled the slots through NumPy. */
void sm_ring_commit_sequenced(sm_ring *r, uint32_t n) {
    if (r->lanes->fault == SM_RING_DISOWNED) return;
    sm_ring_beat(r);
    if (r->record_header && !r->staged) {
        const uint64_t mask = r->slots - 1, start = r->lanes->mine, now = r->latency ? sm_now_ns() : 0;
        for (uint64_t seq = start; seq < start + n; seq++) {
            sm_record *const record = (sm_record *)(r->lanes->base + (seq & mask) * r->slot_size);
            record->seq = seq;
            if (r->latency) sm_histogram_age(r->latency, now, record->ts_ns);
        }
    }
    sm_ring_commit(r, n);
}
