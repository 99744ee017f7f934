/* The shared-memory ring: one producer process hands records to one reader process (docs/ring-protocol.md).
 *
 * Lock-free, slots of one size, a power-of-two number of them, used in place. The hot calls are inline:
 *   producer  sm_ring_reserve(r, n) -> granted; fill sm_ring_slot(r, i) for i < granted; sm_ring_commit(r, granted)
 *   reader    sm_ring_peek(r, max, &first) -> run; read run slots from first; sm_ring_release(r, run)
 * A handle belongs to one thread at a time. Nothing in shared memory is trusted: indices are checked on every refresh,
 * geometry is copied out and checked at opening, and the other side's index is never used as an address.
 */
#ifndef SM_RING_H
#define SM_RING_H

#include <stdatomic.h>
#include <string.h>

#include "sm_boundary.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "sevenm's records are little endian; this machine is not"
#endif

#define SM_RING_MAGIC UINT64_C(0x31474e524d374553) /* "SE7MRNG1" in memory */
#define SM_RING_ABI 1
#define SM_RING_HEADER 4096    /* bytes before slot 0 */
#define SM_RING_SLOTS_MIN 256  /* so that a batch of events always fits */
#define SM_RING_SLOTS_MAX (1u << 24)
#define SM_RING_SLOT_MIN 64
#define SM_RING_SLOT_MAX 2048
#define SM_RING_CAUSES 8
#define SM_RING_DIGEST 64      /* hexadecimal digits of a bundle's digest */
#define SM_RING_ERROR 512      /* bytes of an error text, with its 0 */

/* Results. Each has an exception of its own in host/ring/control.py. */
enum {
    SM_RING_OK = 0,
    SM_RING_BAD = 1,       /* an argument is out of bounds */
    SM_RING_OS = 2,        /* the system refused; errno tells */
    SM_RING_ABSENT = 3,    /* no ring of that name */
    SM_RING_TAKEN = 4,     /* a living process has this side of the ring */
    SM_RING_MISMATCH = 5,  /* another geometry or layout than asked for */
    SM_RING_CORRUPT = 6,   /* what shared memory says cannot be */
    SM_RING_NOT_READY = 7, /* its producer is just making it */
    SM_RING_DISOWNED = 8,  /* the handle was carried over a fork, or closed */
    SM_RING_FOREIGN = 9,   /* what has the name is no file that only this user can use */
};

enum { SM_RING_PRODUCER = 0, SM_RING_READER = 1, SM_RING_OBSERVER = 2 };  /* also the locked byte, for the first two */
enum { SM_RING_DROP = 0, SM_RING_BLOCK = 1 };                            /* policies */
enum { SM_RING_STATE_OPEN = 1, SM_RING_STATE_CLOSED = 2 };
enum { SM_WAIT_READY = 0, SM_WAIT_TIME = 1, SM_WAIT_SIGNAL = 2, SM_WAIT_GONE = 3, SM_WAIT_CLOSED = 4, SM_WAIT_FAULT = 5 };

/* The first page of the shared memory. 128 bytes between what different sides write: two lines, because the
 * hardware fetches lines in pairs. */
typedef struct {
    _Atomic uint64_t magic; /* stored last when a ring is made */
    uint32_t abi, header_size;
    uint32_t slot_size, reserved;
    uint64_t slots;
    uint64_t layout_hash; /* of the data's layout; 0 for packets */
    uint64_t created_ns;
    uint8_t pad0[80];
    _Atomic uint64_t digest_version; /* odd while the digest is being written */
    _Atomic uint64_t digest[SM_RING_DIGEST / 8];
    uint8_t pad1[56];
    _Atomic uint64_t epoch; /* producers so far */
    _Atomic uint32_t producer_pid, state, policy;
    uint8_t pad2[108];
    _Atomic uint64_t reader_epoch; /* readers so far */
    _Atomic uint32_t reader_pid;
    uint8_t pad3[116];
    _Atomic uint64_t written; /* records committed since the ring was made; only the producer writes it */
    uint8_t pad4[120];
    _Atomic uint64_t consumed; /* records released since the ring was made; only the reader writes it */
    uint8_t pad5[120];
    _Atomic uint64_t undelivered[SM_RING_CAUSES]; /* by SM_CAUSE_…; only the producer writes them */
} sm_ring_header;

static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "64-bit atomics are lock-free");
static_assert(offsetof(sm_ring_header, digest_version) == 128, "digest_version at 128");
static_assert(offsetof(sm_ring_header, epoch) == 256, "epoch at 256");
static_assert(offsetof(sm_ring_header, reader_epoch) == 384, "reader_epoch at 384");
static_assert(offsetof(sm_ring_header, written) == 512, "written at 512");
static_assert(offsetof(sm_ring_header, consumed) == 640, "consumed at 640");
static_assert(offsetof(sm_ring_header, undelivered) == 768, "undelivered at 768");
static_assert(sizeof(sm_ring_header) <= SM_RING_HEADER, "the header fits its page");

/* One side's handle, private to its process. The cached copy of the other's index lives here and not in shared
 * memory, so that the other process cannot spoil it. */
typedef struct sm_ring {
    sm_ring_header *shared;
    uint8_t *base;      /* slot 0; read-only for a reader, null for an observer */
    uint64_t slots;     /* power of two */
    uint32_t slot_size; /* bytes */
    uint32_t policy;    /* SM_RING_DROP or SM_RING_BLOCK */
    uint64_t mine;      /* producer: written. reader: consumed */
    uint64_t theirs;    /* the other's index when last looked at */
    int fault;          /* SM_RING_OK, or why this handle can do nothing more */
    int role;           /* SM_RING_PRODUCER, … */
    int fd;             /* holds the lock; -1 once closed */
    int reader_gone;    /* producer: the last wait found no living reader */
    uint64_t layout_hash;
    char name[128];
} sm_ring;

typedef struct {
    uint64_t slots, layout_hash, created_ns, epoch, reader_epoch;
    uint64_t delivered, consumed, undelivered[SM_RING_CAUSES];
    uint32_t slot_size, policy, state, producer_pid, reader_pid;
    int producer_alive, reader_alive;
    char digest[SM_RING_DIGEST + 1]; /* empty: unknown */
} sm_ring_stats;

/* One field of a structure that crosses a boundary, so that Python can compare its own layout with C's. */
typedef struct {
    const char *name;      /* "record.seq"; the last entry of a table has a null name */
    uint32_t offset, size; /* bytes */
} sm_field;

extern const sm_field sm_fields[];

/* Opening. *out is set on SM_RING_OK only; otherwise error (SM_RING_ERROR bytes) says what happened and what to do.
 * digest: 64 hexadecimal digits, or null. layout_hash in attach: what is expected, or 0 for any. */
int sm_ring_check_name(const char *name, char *error); /* SM_RING_OK or SM_RING_BAD */
int sm_ring_create(const char *name, uint64_t slots, uint32_t slot_size, uint32_t policy, uint64_t layout_hash,
                   const char *digest, sm_ring **out, char *error);
int sm_ring_attach(const char *name, uint64_t layout_hash, sm_ring **out, char *error);
int sm_ring_observe(const char *name, sm_ring **out, char *error);
/* force: also while living processes use it, and whoever owns the file. */
int sm_ring_unlink(const char *name, int force, char *error);

void sm_ring_set_digest(sm_ring *r, const char *digest); /* producer: the rules were changed */
void sm_ring_close(sm_ring *r);  /* clean end: gives the lock back; the mapping stays readable until sm_ring_free */
void sm_ring_abandon(sm_ring *r); /* gives the lock back as death would, without saying closed */
void sm_ring_disown(sm_ring *r); /* after fork, in the child: lets go without touching the ring */
void sm_ring_free(sm_ring *r);   /* unmaps; a producer not closed before counts as dead */
int sm_ring_alive(const sm_ring *r, int role); /* whether a living process holds that side */
int sm_ring_read_stats(const sm_ring *r, sm_ring_stats *out); /* SM_RING_OK or SM_RING_CORRUPT */

/* Slow paths of the calls below. */
uint32_t sm_ring_make_room(sm_ring *r, uint32_t n);
uint64_t sm_ring_look(sm_ring *r);
int sm_ring_wait_room(sm_ring *r, uint32_t n, uint64_t timeout_us);
void sm_ring_count(sm_ring *r, uint32_t cause, uint64_t n);
uint64_t sm_ring_sent(const sm_ring *r); /* producer: delivered and undelivered since the ring was made */

/* For Python: one call per batch. */
uint32_t sm_ring_write(sm_ring *r, const void *records, uint32_t n, uint64_t timeout_us);
void sm_ring_commit_sequenced(sm_ring *r, uint32_t n);
uint64_t sm_ring_next(sm_ring *r, uint32_t release, uint32_t max);
void sm_ring_give_back(sm_ring *r, uint32_t n);
int sm_ring_wait(sm_ring *r, uint64_t timeout_us);

/* Producer: as many of n slots as the policy grants, n at most r->slots. The shortfall is already counted. A `block`
 * ring waits until all n are free, and falls short only when the reader is dead (reader_gone), a signal handler ran
 * (stopped) or the ring is corrupt (corrupt; r->fault is set). */
static inline uint32_t sm_ring_reserve(sm_ring *r, uint32_t n) {
    if (__builtin_expect(r->slots - (r->mine - r->theirs) >= n, 1)) return n;
    return sm_ring_make_room(r, n);
}

/* Producer: the i-th reserved slot, i < granted. slot_size bytes; the caller writes all of the header but seq. */
static inline sm_record *sm_ring_slot(const sm_ring *r, uint32_t i) {
    return (sm_record *)(r->base + ((r->mine + i) & (r->slots - 1)) * r->slot_size);
}

/* Producer: the sequence number of the i-th reserved slot. */
static inline uint64_t sm_ring_seq(const sm_ring *r, uint32_t i) { return r->mine + i; }

/* Producer: shows the first n reserved slots to the reader; n at most what was granted. */
static inline void sm_ring_commit(sm_ring *r, uint32_t n) {
    r->mine += n;
    atomic_store_explicit(&r->shared->written, r->mine, memory_order_release);
}

/* Reader: a run of committed slots that lie one after the other, max at most; 0 if there is none or r->fault is set.
 * max is at least 1. */
static inline uint32_t sm_ring_peek(sm_ring *r, uint32_t max, const sm_record **first) {
    uint64_t there = r->theirs - r->mine;
    uint64_t at = r->mine & (r->slots - 1), run = r->slots - at;
    if (there < max) there = sm_ring_look(r);
    if (run > there) run = there;
    *first = (const sm_record *)(r->base + at * r->slot_size);
    return run > max ? max : (uint32_t)run;
}

/* Reader: gives the first n slots of the run back. */
static inline void sm_ring_release(sm_ring *r, uint32_t n) {
    r->mine += n;
    atomic_store_explicit(&r->shared->consumed, r->mine, memory_order_release);
}

#endif
