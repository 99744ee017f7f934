/* libsevenm: subscribe to rings of sevenm, and publish events into them, from C or C++ (docs/producers.md has a walk
 * through; docs/ring-protocol.md says what happens underneath).
 *
 *     sevenm_reader *reader;
 *     char error[SEVENM_ERROR];
 *     if (sevenm_open("edge.web", "audit", "drop_oldest", &reader, error)) { fputs(error, stderr); return 1; }
 *     for (int why = SEVENM_READY; why == SEVENM_READY || why == SEVENM_TIME; why = sevenm_wait(reader, 1000000)) {
 *         const sevenm_record *record;
 *         for (uint32_t n; (n = sevenm_read(reader, &record)) > 0;)
 *             for (; n--; record = sevenm_next(reader, record)) use(record, sevenm_data(record));
 *     }
 *     sevenm_close(reader);
 *
 *     sevenm_writer *writer;
 *     if (sevenm_create("feed", 0, &writer, error)) { fputs(error, stderr); return 1; }
 *     uint32_t n = sevenm_reserve(writer, 16);
 *     for (uint32_t i = 0; i < n; i++) memcpy(sevenm_event(writer, i, sevenm_now(), sizeof data), &data, sizeof data);
 *     sevenm_commit(writer, n);
 *     sevenm_writer_close(writer);
 *
 * A reader or writer belongs to one thread at a time, and is used by no call after it was closed. Times are nanoseconds
 * since 1970, sizes bytes, numbers little endian. */
#ifndef SEVENM_H
#define SEVENM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SEVENM_API __attribute__((visibility("default")))
#define SEVENM_ERROR 512 /* bytes of an error text, with its 0 */
#define SEVENM_BAD 1     /* a call that cannot be: it did nothing */
#define SEVENM_HEADER 32 /* bytes of a record before its data */

/* A record; its data follows, cap_len bytes. Little endian, sm_record in docs/boundary.md. */
typedef struct {
    uint64_t ts_ns, seq;       /* when the event arrived; number in this lane, from 0 */
    uint32_t rule, generation; /* index of the rule that matched; generation of the rules */
    uint16_t cap_len, wire_len;
    uint8_t engine, flags, source, reserved;
} sevenm_record;

/* ---- Subscribe ---- */

enum sevenm_why {
    SEVENM_READY,  /* there is a record */
    SEVENM_TIME,   /* none in that time */
    SEVENM_SIGNAL, /* a signal handler ran */
    SEVENM_GONE,   /* the producer died, and everything it committed was read */
    SEVENM_CLOSED, /* the producer closed the ring, and everything was read */
    SEVENM_FAULT   /* what shared memory says cannot be, or the ring has the other kind of slots than were read */
};

/* The fields are the library's; those here are for the inline calls. */
typedef struct sevenm_reader {
    uint32_t slot_size;
} sevenm_reader;

/* Becomes this subscriber of the ring, "" the default one. policy: "drop_newest", "block" (5 seconds at most) or
 * "drop_oldest"; null: as before, for the default subscriber always. 0, or an error that the text explains. */
SEVENM_API int sevenm_open(const char *ring, const char *subscriber, const char *policy, sevenm_reader **out,
                           char error[SEVENM_ERROR]);

/* The same for a ring of bare slots (bare: 1), or with a check of what it carries. layout_hash: SCHEMA_HASH of the header
 * that `sevenm layout FILE --c` makes; 0: anything. */
SEVENM_API int sevenm_open_as(const char *ring, const char *subscriber, const char *policy, int bare, uint64_t layout_hash,
                              sevenm_reader **out, char error[SEVENM_ERROR]);

/* The same of a ring without a name, whose descriptor this process was handed (RingWriter.anonymous) and keeps. Memory that
 * somebody could shrink is refused. */
SEVENM_API int sevenm_open_descriptor(int descriptor, const char *subscriber, const char *policy, int bare, uint64_t layout_hash,
                                      sevenm_reader **out, char error[SEVENM_ERROR]);

/* Gives the last records back and shows the next ones, which lie one after the other and are valid until the next call.
 * Returns how many, 0 if there are none just now. */
SEVENM_API uint32_t sevenm_read(sevenm_reader *reader, const sevenm_record **first);

/* The same of bare slots: events that lie sevenm_slot_size bytes apart. */
SEVENM_API uint32_t sevenm_read_bare(sevenm_reader *reader, const void **first);

/* Gives the last records back and waits for the next, timeout_us microseconds at most. */
SEVENM_API enum sevenm_why sevenm_wait(sevenm_reader *reader, uint64_t timeout_us);

/* Gives the lane back; null is nothing. */
SEVENM_API void sevenm_close(sevenm_reader *reader);

/* In a forked child, instead of closing: the lane is the parent's, and stays so. */
SEVENM_API void sevenm_disown(sevenm_reader *reader);

/* Bytes from one record to the next. */
static inline uint32_t sevenm_slot_size(const sevenm_reader *reader) { return reader->slot_size; }

static inline const void *sevenm_data(const sevenm_record *record) { return record + 1; }

static inline const sevenm_record *sevenm_next(const sevenm_reader *reader, const sevenm_record *record) {
    return (const sevenm_record *)(const void *)((const char *)record + reader->slot_size);
}

/* ---- Publish ---- */

/* What the ring is like. All 0, or a null pointer to it, is a ring for packets. */
typedef struct {
    uint64_t slots;       /* of each subscriber: a power of two from 256 to 2^24; 0: 65536 */
    uint64_t layout_hash; /* of the data: SCHEMA_HASH of `sevenm layout FILE --c`; 0: packets */
    const char *policy;   /* of the default subscriber: "drop_newest", "block" or "drop_oldest"; null: drop_newest */
    const char *digest;   /* of the bundle whose rules decided, 64 hexadecimal digits; null: none did */
    uint32_t slot_size;   /* bytes: a multiple of 32 from 64 to 2048, bare from 32; 0: 128 */
    uint32_t bare;        /* 1: slots have no record header and are all data */
} sevenm_shape;

/* The slot_size for so many bytes of data. */
static inline uint32_t sevenm_slot_for(uint32_t data, int bare) {
    return (data + (bare ? 0 : SEVENM_HEADER) + 31) / 32 * 32;
}

/* The fields are the library's; those here are for the inline calls. */
typedef struct sevenm_writer {
    unsigned char *base;           /* slots that are filled: those of the ring, or a buffer for several subscribers */
    uint64_t first, mask, next;    /* first reserved one; slots - 1; its number in the default subscriber's lane */
    uint64_t end, seen;            /* number that cannot be reserved without looking; subscribers' changes that were seen */
    uint64_t *written;
    const uint64_t *wants, *roll;
    uint32_t slot_size, header, reserved, staged;
} sevenm_writer;

/* Makes the ring, or takes over what a dead or closed producer left, if it has the same shape: its records and numbers go
 * on. 0, or an error that the text explains: a name or shape that cannot be, a living producer, no memory. */
SEVENM_API int sevenm_create(const char *ring, const sevenm_shape *shape, sevenm_writer **out, char error[SEVENM_ERROR]);

/* Copies n records of slot_size bytes, one after the other, to every subscriber, and numbers them. Subscribers of policy
 * block are waited for, until their deadline or a signal handler runs. What was not delivered is counted by cause. Returns
 * how many the subscriber with the fewest got. What was reserved before is given up. */
SEVENM_API uint64_t sevenm_write(sevenm_writer *writer, const void *records, uint64_t n);

/* Tells who looks from outside (sevenm stat) that this producer goes on: where it pauses, or shows few events with the inline
 * calls, every 100 ms. sevenm_write does it by itself. */
SEVENM_API void sevenm_beat(sevenm_writer *writer);

/* The rules were changed: names the bundle that decides from now on. 0, or SEVENM_BAD for other than 64 lower-case
 * hexadecimal digits. */
SEVENM_API int sevenm_set_digest(sevenm_writer *writer, const char *digest);

#define SEVENM_CAUSES 5
/* Why records were not delivered. */
enum sevenm_cause { SEVENM_FULL, SEVENM_READER_GONE, SEVENM_STOPPED, SEVENM_CORRUPT, SEVENM_TIMEOUT };

/* A subscriber's counts since it came: sent = delivered + the sum of undelivered; delivered = read + lost + in the ring. */
typedef struct {
    char name[32];                       /* "": the default one */
    uint32_t pid;                        /* of its living reader; 0: none */
    uint32_t corrupt;                    /* 1: its indices cannot be, and the counts are 0 */
    uint64_t delivered, in_ring, lost;   /* lost: written over before they were read */
    uint64_t undelivered[SEVENM_CAUSES]; /* by enum sevenm_cause */
} sevenm_subscriber;

/* Who subscribes, `most` of them at most, the default one first. Returns how many there are, 1 to 16. Not for the data
 * path: it looks at every lane, and asks the system who lives. */
SEVENM_API uint32_t sevenm_subscribers(const sevenm_writer *writer, sevenm_subscriber *out, uint32_t most);

/* Closes the ring and frees the writer; readers come to its end, and the ring stays until `sevenm ring rm`. Null is
 * nothing. */
SEVENM_API void sevenm_writer_close(sevenm_writer *writer);

/* In a forked child, instead of closing: the ring is the parent's, and stays so. */
SEVENM_API void sevenm_writer_disown(sevenm_writer *writer);

/* Nanoseconds since 1970. */
SEVENM_API uint64_t sevenm_now(void);

/* Bytes of data in a slot. */
static inline uint32_t sevenm_room(const sevenm_writer *writer) { return writer->slot_size - writer->header; }

/* What the inline calls below hand on, a batch at a time. */
SEVENM_API uint32_t sevenm_more(sevenm_writer *writer, uint32_t n);
SEVENM_API void sevenm_spread(sevenm_writer *writer, uint32_t n);
SEVENM_API void sevenm_wake(sevenm_writer *writer);

/* Reserves n slots, at most as many as the ring has; what was reserved before and not committed is given up. Returns how
 * many: fewer where the policy of the default subscriber leaves no room, and what is missing is counted by cause. If that
 * is block, waits for room, until its reader dies or a signal handler runs. */
static inline uint32_t sevenm_reserve(sevenm_writer *writer, uint32_t n) {
    if (__builtin_expect(writer->end - writer->next >= n && __atomic_load_n(writer->roll, __ATOMIC_RELAXED) == writer->seen, 1))
        return writer->reserved = n;
    return sevenm_more(writer, n);
}

/* The i-th reserved slot, slot_size bytes, of which the caller writes all but `seq`; null if it was not reserved. */
static inline void *sevenm_slot(const sevenm_writer *writer, uint32_t i) {
    if (__builtin_expect(i >= writer->reserved, 0)) return 0;
    return writer->base + ((writer->first + i) & writer->mask) * writer->slot_size;
}

/* The same with a header that says an event of `length` bytes, which no rule decided: returns where the caller puts them;
 * in a bare slot there is no header, and neither time nor length is kept. Null if the slot was not reserved or has less
 * than length bytes of room. */
static inline void *sevenm_event(const sevenm_writer *writer, uint32_t i, uint64_t ts_ns, uint32_t length) {
    sevenm_record *const record = (sevenm_record *)sevenm_slot(writer, i);
    if (__builtin_expect(!record || length > sevenm_room(writer), 0)) return 0;
    if (!writer->header) return record;
    record->ts_ns = ts_ns;
    record->rule = record->generation = 0;
    record->cap_len = record->wire_len = (uint16_t)length;
    record->engine = record->flags = record->source = record->reserved = 0;
    return record + 1;
}

/* Numbers the first n reserved slots and shows them to the subscribers; the others are given up. Where several subscribe,
 * or the default one's policy is drop_oldest, this is where those of policy block are waited for. 0, or SEVENM_BAD if
 * fewer than n are reserved: then nothing is shown, and they stay reserved. */
static inline int sevenm_commit(sevenm_writer *writer, uint32_t n) {
    uint32_t i;
    if (__builtin_expect(n > writer->reserved, 0)) return SEVENM_BAD;
    if (writer->staged) {
        sevenm_spread(writer, n);
        return 0;
    }
    if (writer->header)
        for (i = 0; i < n; i++) ((sevenm_record *)sevenm_slot(writer, i))->seq = writer->next + i;
    writer->reserved = 0;
    writer->next += n;
    writer->first += n;
    /* The reader that goes to sleep has the kernel put a barrier between these two (docs/ring-protocol.md). */
    __atomic_store_n(writer->written, writer->next, __ATOMIC_RELEASE);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    if (__builtin_expect(__atomic_load_n(writer->wants, __ATOMIC_RELAXED) != 0, 0)) sevenm_wake(writer);
    return 0;
}

#ifdef __cplusplus
}
#endif
#endif
