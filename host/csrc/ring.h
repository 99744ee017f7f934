/* The shared-memory ring: one producer process hands records to up to 16 reader processes (docs/ring-protocol.md).
 *
 * Each reader has a lane of its own: slots of one size, a power-of-two number of them, its own indices and policy. Lane
 * 0 is the default one. Lock-free. The hot calls are inline:
 *   producer  sm_ring_reserve(r, n) -> granted; fill sm_ring_slot(r, i) for i < granted; sm_ring_commit(r, granted)
 *   reader    sm_ring_peek(r, max, &first) -> run; read run slots from first; sm_ring_release(r, run)
 *             on a lane of policy `drop_oldest`: sm_ring_take(r, to, max, &first), a copy that was found to be whole
 * A handle belongs to one thread at a time. Nothing in shared memory is trusted: indices are checked on every refresh,
 * geometry is copied out and checked at opening, and the other side's index is never used as an address.
 */
#ifndef SM_RING_H
#define SM_RING_H

#include <stdatomic.h>
#include <string.h>

#include "histogram.h"
#include "sm_boundary.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "sevenm's records are little endian; this machine is not"
#endif

#define SM_RING_MAGIC UINT64_C(0x31474e524d374553) /* "SE7MRNG1" in memory */
#define SM_RING_ABI 2
#define SM_RING_HEADER 65536   /* bytes of it; what is mapped begins at multiples of this, so that kernels with pages of
                                  16 or 64 KiB can map it too */
#define SM_RING_HUGE (2u << 20) /* a huge page: lanes of at least this size begin at its multiples */
#define SM_RING_LANES 16
#define SM_LANE_BLOCKS 4096    /* where the first lane's block lies in the header */
#define SM_RING_SLOTS_MIN 256  /* so that a batch of events always fits */
#define SM_RING_SLOTS_MAX (1u << 24)
#define SM_RING_SLOT_MIN 64
#define SM_RING_BARE_MIN 32    /* of slots without a record header */
#define SM_RING_SLOT_MAX 2048
#define SM_RING_CAUSES 8
#define SM_RING_DIGEST 64      /* hexadecimal digits of a bundle's digest */
#define SM_LANE_NAME 32        /* bytes of a subscriber's name, with its 0 */
#define SM_DEADLINE_US UINT64_C(5000000) /* of a new subscriber that says nothing */
#define SM_DEADLINE_MAX_US UINT64_C(86400000000)
#define SM_RING_ERROR 512      /* bytes of an error text, with its 0 */

/* Results. Each has an exception of its own in host/ring/control.py. */
enum {
    SM_RING_OK = 0,
    SM_RING_BAD = 1,       /* an argument is out of bounds */
    SM_RING_OS = 2,        /* the system refused; errno tells */
    SM_RING_ABSENT = 3,    /* no ring of that name */
    SM_RING_TAKEN = 4,     /* a living process has this side of the ring */
    SM_RING_MISMATCH = 5,  /* another geometry, layout or policy than asked for */
    SM_RING_CORRUPT = 6,   /* what shared memory says cannot be */
    SM_RING_NOT_READY = 7, /* its producer is just making it */
    SM_RING_DISOWNED = 8,  /* the handle was carried over a fork, or closed */
    SM_RING_FOREIGN = 9,   /* what has the name is no file that only this user can use */
};

enum { SM_RING_PRODUCER = 0, SM_RING_READER = 1, SM_RING_OBSERVER = 2 }; /* roles */
/* Bytes of the file that are locked: by the producer, by who removes the name, by who chooses a lane, by lane. */
enum { SM_BYTE_PRODUCER = 0, SM_BYTE_REMOVER = 1, SM_BYTE_CHOICE = 2, SM_BYTE_LANES = 16 };
enum { SM_RING_DROP_NEWEST = 0, SM_RING_BLOCK = 1, SM_RING_DROP_OLDEST = 2, SM_RING_POLICIES = 3 };
#define SM_RING_SAME_POLICY UINT32_MAX /* in attach: the lane's, or for a new subscriber drop_newest */
#define SM_RING_SAME_DEADLINE UINT64_MAX
enum { SM_RING_STATE_OPEN = 1, SM_RING_STATE_CLOSED = 2 };
enum { SM_LANE_FREE = 0, SM_LANE_OPEN = 1 };
enum { SM_WAIT_READY = 0, SM_WAIT_TIME = 1, SM_WAIT_SIGNAL = 2, SM_WAIT_GONE = 3, SM_WAIT_CLOSED = 4, SM_WAIT_FAULT = 5 };

/* The begin of the shared memory. 128 bytes between what different sides write: two lines, because the hardware
 * fetches lines in pairs. */
typedef struct {
    _Atomic uint64_t magic; /* stored last when a ring is made */
    uint32_t abi, header_size;
    uint32_t slot_size, record_header; /* of a slot, SM_RECORD_HEADER, or 0: bare slots, all data */
    uint64_t slots; /* of each lane */
    uint64_t layout_hash; /* of the data's layout; 0 for packets */
    uint64_t created_ns;
    uint32_t unit; /* the lanes begin at its multiples: SM_RING_HEADER or SM_RING_HUGE */
    uint8_t pad0[76];
    _Atomic uint64_t digest_version; /* odd while the digest is being written */
    _Atomic uint64_t digest[SM_RING_DIGEST / 8];
    uint8_t pad1[56];
    _Atomic uint64_t epoch; /* producers so far */
    _Atomic uint32_t producer_pid, state;
    _Atomic uint32_t producer_barrier; /* 1: the producer takes part in membarrier (ring_bell.h) */
    _Atomic uint32_t measured;         /* 1: the producer keeps latencies, in the first histogram */
    uint8_t pad2[104];
    _Atomic uint64_t roll; /* changes of the lanes' subscribers so far; all subscribers add to it */
    uint8_t pad3[120];
    _Atomic uint64_t beat_ns; /* when the producer last said that it goes on, by CLOCK_MONOTONIC */
} sm_ring_header;

/* A lane's block: what its subscriber says of itself, its index, and what the producer says. */
typedef struct {
    _Atomic uint64_t name[SM_LANE_NAME / 8]; /* of the subscriber; empty: the default lane */
    _Atomic uint32_t policy;                 /* asked for; of the default lane, the producer decides */
    _Atomic uint32_t state;                  /* SM_LANE_OPEN, stored last */
    _Atomic uint64_t deadline_us;            /* of `block`; 0: none */
    _Atomic uint64_t epoch;                  /* readers of the lane so far */
    _Atomic uint32_t pid;
    _Atomic uint32_t barrier;                /* 1: this reader takes part in membarrier */
    _Atomic uint64_t start;                  /* `written`, `lost` and `undelivered` when the subscriber came */
    _Atomic uint64_t start_lost;
    _Atomic uint64_t start_undelivered[SM_RING_CAUSES];
    _Atomic uint32_t measured;               /* 1: this reader keeps latencies, in the lane's histogram */
    uint8_t pad1[108];
    _Atomic uint64_t consumed; /* records read, or given up as lost, since the ring was made */
    _Atomic uint64_t lost;     /* of these: written over, or left behind by a subscriber, before they were read */
    uint8_t pad2[112];
    _Atomic uint64_t reader_wants;   /* sleeps until `written` has come to this; 0: does not sleep */
    uint8_t pad3[120];
    _Atomic uint64_t written;  /* records committed since the ring was made */
    _Atomic uint64_t floor;    /* records before this one are, or are just being, written over */
    _Atomic uint64_t accepted; /* the reader's epoch that the producer has taken notice of */
    _Atomic uint32_t in_force; /* the policy that the producer follows */
    uint8_t pad4[100];
    _Atomic uint64_t undelivered[SM_RING_CAUSES]; /* by SM_CAUSE_… */
    uint8_t pad5[64];
    _Atomic uint64_t producer_wants; /* sleeps until `consumed` has come to this; 0: does not sleep */
    uint8_t pad6[248];
} sm_lane_block;

static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "64-bit atomics are lock-free");
static_assert(offsetof(sm_ring_header, digest_version) == 128, "digest_version at 128");
static_assert(offsetof(sm_ring_header, epoch) == 256, "epoch at 256");
static_assert(offsetof(sm_ring_header, roll) == 384, "roll at 384");
static_assert(offsetof(sm_ring_header, beat_ns) == 512, "beat_ns at 512");
static_assert(sizeof(sm_ring_header) <= SM_LANE_BLOCKS, "the header ends before the lanes' blocks");
static_assert(offsetof(sm_lane_block, consumed) == 256, "consumed at 256");
static_assert(offsetof(sm_lane_block, written) == 512, "written at 512");
static_assert(offsetof(sm_lane_block, reader_wants) == 384, "reader_wants at 384");
static_assert(offsetof(sm_lane_block, undelivered) == 640, "undelivered at 640");
static_assert(offsetof(sm_lane_block, producer_wants) == 768, "producer_wants at 768");
static_assert(sizeof(sm_lane_block) == 1024, "a block is 1024 bytes");
static_assert(sizeof(sm_histogram) <= SM_RING_HEADER, "each histogram has room of its own");
static_assert(SM_LANE_BLOCKS + SM_RING_LANES * sizeof(sm_lane_block) <= SM_RING_HEADER, "the blocks fit the header");

/* One side's view of a lane, private to its process. The cached copy of the other's index lives here and not in shared
 * memory, so that the other process cannot spoil it. */
typedef struct {
    sm_lane_block *shared;
    uint8_t *base;       /* slot 0; read-only for a reader, null for an observer */
    uint64_t mine;       /* producer: written. reader: consumed */
    uint64_t theirs;     /* the other's index when last looked at; for a producer never before `floor` */
    uint64_t floor;      /* producer: as published. reader: as last seen */
    uint32_t policy;     /* SM_RING_DROP_NEWEST, … */
    uint32_t number;
    int fault;           /* SM_RING_OK, or why nothing more can be done with the lane */
    int pending;         /* reader: its policy is not in force yet */
    uint64_t epoch;      /* of the reader */
    uint64_t rung;       /* what the other side wanted when it was last woken */
    /* Of the producer only. */
    uint64_t timeout_ns; /* longest wait for a reader that makes no room; 0: as long as it lives */
    uint64_t since_ns;   /* when it was last seen to make room, while it is waited for; 0 otherwise */
    uint64_t seen;       /* its index then */
    uint32_t late;       /* it was waited for in vain, and has made no room since */
    uint32_t gone;       /* no living process had the lane when it was last waited for; until one comes */
    uint64_t ahead;      /* records of the batch being written that it has got or missed, while others wait */
    uint64_t got;        /* of the batch being written */
} sm_lane;

/* One side's handle. A reader has one lane, the first here whatever its number. */
typedef struct sm_ring {
    sm_lane lanes[SM_RING_LANES];
    sm_ring_header *shared;
    uint64_t slots;     /* of each lane: power of two */
    uint32_t slot_size; /* bytes */
    uint32_t record_header; /* of these: SM_RECORD_HEADER or 0 */
    uint32_t open;      /* producer: bit i: lane i has a subscriber; the default one always is open */
    uint32_t direct;    /* producer: the default lane alone, and it is filled in place */
    uint32_t staged;    /* producer: what was reserved last lies in `stage` */
    uint32_t writing;   /* producer: a batch of sm_ring_write waits for some lane */
    uint64_t roll;      /* producer: when it last looked at the subscribers */
    uint64_t beat_ns;   /* producer: as last stored, so that it is stored when it changes */
    uint64_t front;     /* bytes mapped before the lanes: the header, and room for histograms, without memory at first */
    uint64_t mapped;    /* bytes of lanes */
    sm_histogram *latency; /* what this side measures: a producer until the record is in the ring, a reader until it is
                              read; null: nothing */
    uint8_t *stage;     /* producer: room for as many slots as a lane has, of which only those used cost memory */
    int role;           /* SM_RING_PRODUCER, … */
    int fd;             /* holds the lock; -1 once closed */
    int shown;          /* of a ring without a name: the descriptor to hand on, until the handle is freed; else -1 */
    uint64_t layout_hash;
    char name[128];
} sm_ring;

typedef struct {
    char name[SM_LANE_NAME]; /* empty: the default lane, or none */
    uint32_t number, policy, pid, open;
    int alive;
    /* Since the ring was made, over all subscribers of the lane. */
    uint64_t epoch, delivered, consumed, lost, undelivered[SM_RING_CAUSES];
    /* The same when this subscriber came. */
    uint64_t start, start_lost, start_undelivered[SM_RING_CAUSES];
} sm_lane_stats;

typedef struct {
    uint64_t slots, layout_hash, created_ns, epoch, beat_ns;
    uint32_t slot_size, record_header, state, producer_pid, corrupt; /* corrupt: bit i: lane i's indices cannot be */
    uint32_t measured; /* bit 0: the producer keeps latencies; bit 1 + i: the reader of lane i does */
    int producer_alive;
    char digest[SM_RING_DIGEST + 1]; /* empty: unknown */
    sm_lane_stats lanes[SM_RING_LANES];
} sm_ring_stats;

/* One field of a structure that crosses a boundary, so that Python can compare its own layout with C's. */
typedef struct {
    const char *name;      /* "record.seq"; the last entry of a table has a null name */
    uint32_t offset, size; /* bytes */
} sm_field;

extern const sm_field sm_fields[];

/* Opening. *out is set on SM_RING_OK only; otherwise error (SM_RING_ERROR bytes) says what happened and what to do.
 * digest: 64 hexadecimal digits, or null. record_header: SM_RECORD_HEADER, or 0 for bare slots; in attach, what is
 * expected. layout_hash in attach: what is expected, or 0 for any. subscriber: whose lane,
 * "" for the default one, whose policy and deadline are the producer's: SM_RING_SAME_POLICY, SM_RING_SAME_DEADLINE. */
int sm_ring_check_name(const char *name, char *error); /* SM_RING_OK or SM_RING_BAD */
int sm_ring_check_subscriber(const char *subscriber, char *error);
int sm_ring_create(const char *name, uint64_t slots, uint32_t slot_size, uint32_t policy, uint32_t record_header,
                   uint64_t layout_hash, const char *digest, sm_ring **out, char *error);
int sm_ring_attach(const char *name, const char *subscriber, uint32_t policy, uint64_t deadline_us, uint32_t record_header,
                   uint64_t layout_hash, sm_ring **out, char *error);
int sm_ring_observe(const char *name, sm_ring **out, char *error);
/* Rings without a name, in sealed memory: label is for people; huge: of huge pages of 2 MiB that were set aside. Who is
 * handed r->shown attaches to it; the descriptor stays the caller's. */
int sm_ring_create_anonymous(const char *label, int huge, uint64_t slots, uint32_t slot_size, uint32_t policy,
                             uint32_t record_header, uint64_t layout_hash, const char *digest, sm_ring **out, char *error);
int sm_ring_attach_descriptor(int descriptor, const char *subscriber, uint32_t policy, uint64_t deadline_us,
                              uint32_t record_header, uint64_t layout_hash, sm_ring **out, char *error);
int sm_ring_observe_descriptor(int descriptor, sm_ring **out, char *error);
/* force: also while living processes use it, and whoever owns the file. */
int sm_ring_unlink(const char *name, int force, char *error);

void sm_ring_set_digest(sm_ring *r, const char *digest); /* producer: the rules were changed */
void sm_ring_close(sm_ring *r);  /* clean end: gives the lock back, and a subscriber's lane; the mapping stays readable
                                    until sm_ring_free */
void sm_ring_abandon(sm_ring *r); /* gives the lock back as death would */
void sm_ring_disown(sm_ring *r); /* after fork, in the child: lets go without touching the ring */
void sm_ring_free(sm_ring *r);   /* unmaps; a producer not closed before counts as dead */
int sm_ring_alive(const sm_ring *r, uint32_t byte); /* whether a living process holds it: SM_BYTE_PRODUCER or a lane's */
int sm_ring_read_stats(const sm_ring *r, sm_ring_stats *out); /* SM_RING_OK or SM_RING_CORRUPT */

/* This side keeps latencies from now on, beginning with none, in memory of the ring that others can look at. A producer's
 * are recorded by the calls below that copy records; a reader records them itself, into r->latency. */
int sm_ring_measure(sm_ring *r, char *error);
/* What bit `which` of `measured` stands for, copied. 0: nobody measures it. What is there can be anything. */
int sm_ring_read_latency(const sm_ring *r, uint32_t which, sm_histogram *out);

/* Producer: it goes on, though it may have nothing to say. Stores a time, once a tick of the clock at most; costs five
 * nanoseconds. The calls below that write, wait or look for room do it by themselves; a producer that fills slots in
 * place, or that has nothing to do, does it itself, once a batch and every 100 ms. */
void sm_ring_beat(sm_ring *r);

/* Producer: lanes. */
void sm_ring_follow(sm_ring *r); /* takes notice of subscribers that came and went */
uint64_t sm_lane_room(sm_ring *r, sm_lane *lane, uint64_t wanted); /* free slots, as many as wanted or all there are; a
                                                                      `drop_oldest` lane makes them */
void sm_lane_commit(sm_lane *lane, uint64_t n);
void sm_lane_count(sm_ring *r, sm_lane *lane, uint32_t cause, uint64_t n);
int sm_lane_wait_room(sm_ring *r, sm_lane *lane, uint32_t n, uint64_t timeout_us); /* SM_WAIT_… */
/* Waits for n free slots, at most slice_us. Returns 0 if they did not come and the wait goes on (again); otherwise *cause
 * is SM_CAUSE_NONE if they are there, or why they will not be. *signal: a signal handler ran. */
int sm_lane_await(sm_ring *r, sm_lane *lane, uint32_t n, uint64_t slice_us, uint32_t *cause, int *signal);
/* Why a lane without room is not waited for any more, or SM_CAUSE_NONE. */
uint32_t sm_lane_refusal(const sm_lane *lane);
#define SM_CAUSE_NONE UINT32_MAX

/* Slow paths of the calls below. */
uint32_t sm_ring_make_room(sm_ring *r, uint32_t n);
void sm_ring_spread(sm_ring *r, uint32_t n);
void sm_lane_wake(sm_lane *lane, _Atomic uint64_t *word, uint64_t wanted);
uint64_t sm_ring_look(sm_ring *r); /* either side: records in the (default) lane */

/* Copies n whole records into every lane, from number *done on (0 at first). *done grows to those that every lane has got
 * or missed: to n, or less after timeout_us or a signal, so that the caller can look around and come back. Returns how
 * many the lane with the fewest has got of them all so far. */
uint64_t sm_ring_write(sm_ring *r, const void *records, uint64_t n, uint64_t *done, uint64_t timeout_us);
void sm_ring_give_up(sm_ring *r, uint32_t cause, uint64_t n); /* counts the n records that sm_ring_write left */
/* All of them, until a signal handler runs: what is left then is counted as stopped. */
uint64_t sm_ring_put(sm_ring *r, const void *records, uint64_t n);

/* For Python: one call per batch.
 * sm_ring_write_all begins with a batch, as sm_ring_write does with *done 0. SM_RING_FAULTY: it did nothing, the default
 * lane is at fault; SM_RING_NOT_YET: not all is done, or the default lane came to be at fault.
 * sm_ring_reserve_now: index of the first slot << 32 | slots in a row, n at most; SM_RING_NOT_YET where sm_ring_reserve has
 * more to do than that. */
#define SM_RING_NOT_YET UINT64_MAX
#define SM_RING_FAULTY (UINT64_MAX - 1)
uint64_t sm_ring_write_all(sm_ring *r, const void *records, uint64_t n, uint64_t *done, uint64_t timeout_us);
uint64_t sm_ring_reserve_now(sm_ring *r, uint64_t n);
void sm_ring_commit_sequenced(sm_ring *r, uint32_t n);
uint64_t sm_ring_next(sm_ring *r, uint32_t release, uint32_t max);
void sm_ring_give_back(sm_ring *r, uint32_t n);
int sm_ring_wait(sm_ring *r, uint64_t timeout_us);

/* Reader of a `drop_oldest` lane: copies records that nobody has written over meanwhile, max at most, and gives their
 * slots back. Those that were are counted as lost. Returns how many; they begin at record *first of `to`, which has
 * room for max. */
uint32_t sm_ring_take(sm_ring *r, void *to, uint32_t max, uint32_t *first);

/* Shows an index to the other side, and wakes it if it sleeps for it. The store and the load may change places in this
 * processor, and no fence keeps them apart: who goes to sleep has the kernel put one here just then (ring_bell.h). */
static inline void sm_lane_show(sm_lane *lane, _Atomic uint64_t *index, const _Atomic uint64_t *wants) {
    atomic_store_explicit(index, lane->mine, memory_order_release);
    atomic_signal_fence(memory_order_seq_cst); /* the compiler leaves them in this order */
    const uint64_t wanted = atomic_load_explicit(wants, memory_order_relaxed);
    if (__builtin_expect(wanted != 0, 0)) sm_lane_wake(lane, index, wanted);
}

/* Whether subscribers came or went since the producer last looked: one load of a line that hardly ever changes. */
static inline int sm_ring_rolled(const sm_ring *r) {
    return atomic_load_explicit(&r->shared->roll, memory_order_relaxed) != r->roll;
}

/* Producer: as many of n slots as the policy grants, n at most r->slots. The shortfall is already counted. A `block`
 * lane waits until all n are free, and falls short only when the reader is dead (reader_gone), has made no room within
 * its deadline (timeout), a signal handler ran (stopped) or the lane is corrupt (corrupt; its fault is set). With several
 * lanes all n are granted, and it is commit that waits and counts. */
static inline uint32_t sm_ring_reserve(sm_ring *r, uint32_t n) {
    const sm_lane *lane = r->lanes;
    if (__builtin_expect(r->direct && !sm_ring_rolled(r) && r->slots - (lane->mine - lane->theirs) >= n, 1)) return n;
    return sm_ring_make_room(r, n);
}

#define SM_AHEAD 512 /* bytes */

/* Producer: asks for the lines that it will write soon. The reader has them in its cache, and getting one back takes as
 * long as writing several; by themselves they would come one after the other, each when it is written. By its name,
 * because compilers make of a prefetch for writing one for reading where they do not know the processor. Where the lane
 * ends it asks for what is not there, which is no error. */
static inline void sm_ring_ahead(const uint8_t *slot, uint32_t slot_size) {
#if defined(__x86_64__)
    __asm__ volatile("prefetchw %0" : : "m"(slot[SM_AHEAD]));
    if (slot_size > 64) __asm__ volatile("prefetchw %0" : : "m"(slot[SM_AHEAD + 64]));
#else
    __builtin_prefetch(slot + SM_AHEAD, 1);
    if (slot_size > 64) __builtin_prefetch(slot + SM_AHEAD + 64, 1);
#endif
}

/* Producer: the i-th reserved slot, i < granted. slot_size bytes; the caller writes all of the header, if there is one, but seq. */
static inline sm_record *sm_ring_slot(const sm_ring *r, uint32_t i) {
    if (r->staged) return (sm_record *)(r->stage + (uint64_t)i * r->slot_size);
    uint8_t *const slot = r->lanes->base + ((r->lanes->mine + i) & (r->slots - 1)) * r->slot_size;
    sm_ring_ahead(slot, r->slot_size);
    return (sm_record *)slot;
}

/* Producer: the sequence number of the i-th reserved slot, if the default lane has room for it. */
static inline uint64_t sm_ring_seq(const sm_ring *r, uint32_t i) { return r->lanes->mine + i; }

/* Producer: shows the first n reserved slots to the readers; n at most what was granted. */
static inline void sm_ring_commit(sm_ring *r, uint32_t n) {
    if (r->staged) {
        sm_ring_spread(r, n);
        return;
    }
    r->lanes->mine += n;
    sm_lane_show(r->lanes, &r->lanes->shared->written, &r->lanes->shared->reader_wants);
}

/* Reader: a run of committed slots that lie one after the other, max at most; 0 if there is none, the lane is at fault or
 * of policy drop_oldest. max is at least 1. */
static inline uint32_t sm_ring_peek(sm_ring *r, uint32_t max, const sm_record **first) {
    const sm_lane *lane = r->lanes;
    uint64_t there = lane->theirs - lane->mine;
    /* More than there can be: a run was given back after the lane was found to be at fault. */
    if (there < max || __builtin_expect(there > r->slots, 0)) there = sm_ring_look(r);
    uint64_t at = lane->mine & (r->slots - 1), run = r->slots - at;
    if (lane->policy == SM_RING_DROP_OLDEST) there = 0;
    if (run > there) run = there;
    *first = (const sm_record *)(lane->base + at * r->slot_size);
    return run > max ? max : (uint32_t)run;
}

/* Reader: gives the first n slots of the run back. */
static inline void sm_ring_release(sm_ring *r, uint32_t n) {
    r->lanes->mine += n;
    sm_lane_show(r->lanes, &r->lanes->shared->consumed, &r->lanes->shared->producer_wants);
}

#endif
