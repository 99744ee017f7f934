/* One lane of a ring: docs/ring-protocol.md, Ordering and "Sleep and wake", for one policy (-DPOLICY=...).
 *
 * Each side's stores go through a buffer, first in first out, and reach memory when they like, so that a store and a later
 * load change places as on x86. Loads are of memory. A record is two words, so that half of one can be seen; record n is
 * n + 1 in both. Nobody's sleep has an end of its own, but for a side that is gone: a lost wake-up is a deadlock.
 * Each -DFAULT_... breaks one rule of the protocol. */
#define DROP_NEWEST 0
#define BLOCK 1
#define DROP_OLDEST 2
#define SLOTS 2
#ifndef OFFERED
#define OFFERED 4
#endif

#define WRITTEN 0
#define FLOOR 1
#define CLOSED 2
#define CONSUMED 3
#define READER_WANTS 4
#define PRODUCER_WANTS 5
#define WORD(n, k) (6 + 2 * ((n) % SLOTS) + (k))
byte memory[10];

chan producer_stores = [3] of { byte, byte };
chan reader_stores = [3] of { byte, byte };
bool reader_sleeps, producer_sleeps;
byte sent, delivered, undelivered;

/* A store becomes visible. */
active proctype visible() {
    byte at, value;
end:
    do
    :: atomic { producer_stores ? at, value -> memory[at] = value; at = 0; value = 0 }
    :: atomic { reader_stores ? at, value -> memory[at] = value; at = 0; value = 0 }
    od
}

/* membarrier: both sides have passed a full barrier. Without it only the caller has. */
#ifdef FAULT_NO_BARRIER
#define BARRIER(own) empty(own)
#else
#define BARRIER(own) empty(producer_stores) && empty(reader_stores)
#endif

active proctype producer() {
    byte mine, theirs, floor, wants, rung, seen;
    do
    :: sent == OFFERED -> break
    :: sent < OFFERED ->
        sent++;
room:
        theirs = memory[CONSUMED];
        if
        :: floor > theirs -> theirs = floor
        :: else
        fi;
        if
        :: mine - theirs < SLOTS
        :: else ->
#if POLICY == DROP_NEWEST
            undelivered++;
            goto next;
#elif POLICY == BLOCK
            producer_stores ! PRODUCER_WANTS, mine + 1 - SLOTS;
            BARRIER(producer_stores);
            seen = memory[CONSUMED];
            if
            :: mine - seen < SLOTS
            :: else ->
                atomic {
                    if
                    :: memory[CONSUMED] == seen -> producer_sleeps = true
                    :: else
                    fi
                };
                !producer_sleeps
            fi;
            producer_stores ! PRODUCER_WANTS, 0;
            goto room;
#else
            floor = mine + 1 - SLOTS;
            theirs = floor;
#ifndef FAULT_FLOOR_LATE
            producer_stores ! FLOOR, floor;
#endif
#endif
        fi;
#ifdef FAULT_SHOWN_EARLY
        producer_stores ! WRITTEN, mine + 1;
#endif
        producer_stores ! WORD(mine, 0), mine + 1;
        producer_stores ! WORD(mine, 1), mine + 1;
#ifdef FAULT_FLOOR_LATE
        producer_stores ! FLOOR, floor;
#endif
        mine++;
#ifdef FAULT_WISH_READ_EARLY
        wants = memory[READER_WANTS];
#endif
#ifndef FAULT_SHOWN_EARLY
        producer_stores ! WRITTEN, mine;
#endif
#ifndef FAULT_WISH_READ_EARLY
        wants = memory[READER_WANTS];
#endif
        if
        :: wants != 0 && mine >= wants && rung != wants ->
            rung = wants;
            empty(producer_stores); /* the system call */
            reader_sleeps = false
        :: else
        fi;
#if POLICY == DROP_NEWEST
next:
#endif
        wants = 0
    od;
    delivered = mine;
    memory[CONSUMED] == mine; /* it has nothing more to say, and lives: the reader has to come to the end by itself */
    producer_stores ! CLOSED, 1
}

active proctype reader() {
    byte mine, written, floor, wants, rung, first, second, read, lost;
    bool closed;
    do
    ::
        closed = memory[CLOSED];
        written = memory[WRITTEN];
#if POLICY == DROP_OLDEST
        floor = memory[FLOOR];
        if
        :: floor > mine && floor <= written ->
            lost = lost + floor - mine;
            mine = floor;
            reader_stores ! CONSUMED, mine
        :: floor > mine && floor > written -> goto again
        :: else
        fi;
        assert(written - mine <= SLOTS);
#endif
        if
        :: written == mine && closed -> break
        :: written == mine && !closed ->
            reader_stores ! READER_WANTS, mine + 1;
            BARRIER(reader_stores);
            written = memory[WRITTEN];
            if
#ifndef FAULT_NO_SECOND_LOOK
            :: written != mine
            :: written == mine ->
#else
            :: true ->
#endif
                atomic {
                    if
                    :: memory[WRITTEN] == written -> reader_sleeps = true
                    :: else
                    fi
                };
                (!reader_sleeps || memory[CLOSED]); /* a side that is gone is noticed after a slice */
                reader_sleeps = false
            fi;
            reader_stores ! READER_WANTS, 0
        :: else ->
            first = memory[WORD(mine, 0)];
            second = memory[WORD(mine, 1)];
#if POLICY == DROP_OLDEST
#ifndef FAULT_FLOOR_NOT_READ_AGAIN
            floor = memory[FLOOR];
#endif
            if
            :: floor > mine ->
                lost = lost + floor - mine;
                mine = floor
            :: else ->
#endif
                assert(first == mine + 1 && second == mine + 1); /* whole, and the one that it is taken for */
                mine++;
                read++;
#if POLICY == DROP_OLDEST
            fi;
#endif
            first = 0;
            second = 0;
            reader_stores ! CONSUMED, mine;
            wants = memory[PRODUCER_WANTS];
            if
            :: wants != 0 && mine >= wants && rung != wants ->
                rung = wants;
                empty(reader_stores);
                producer_sleeps = false
            :: else
            fi;
            wants = 0
        fi;
again:
        skip
    od;
    assert(delivered == read + lost);
    assert(OFFERED == delivered + undelivered);
#if POLICY != DROP_OLDEST
    assert(lost == 0);
#endif
#if POLICY != DROP_NEWEST
    assert(undelivered == 0);
#endif
}
