/* libsevenm: subscribe to a ring of sevenm from C or C++ (docs/ring-protocol.md says what happens underneath).
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
 * A reader belongs to one thread at a time. */
#ifndef SEVENM_H
#define SEVENM_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SEVENM_API __attribute__((visibility("default")))
#define SEVENM_ERROR 512 /* bytes of an error text, with its 0 */

/* A delivered record; its data follows, cap_len bytes. Little endian, sm_record in docs/boundary.md. */
typedef struct {
    uint64_t ts_ns, seq;       /* nanoseconds since 1970; number in this lane, from 0 */
    uint32_t rule, generation; /* index of the rule that matched; generation of the rules */
    uint16_t cap_len, wire_len;
    uint8_t engine, flags, source, reserved;
} sevenm_record;

typedef struct sevenm_reader sevenm_reader;

enum sevenm_why {
    SEVENM_READY,  /* there is a record */
    SEVENM_TIME,   /* none in that time */
    SEVENM_SIGNAL, /* a signal handler ran */
    SEVENM_GONE,   /* the producer died, and everything it committed was read */
    SEVENM_CLOSED, /* the producer closed the ring, and everything was read */
    SEVENM_FAULT   /* what shared memory says cannot be */
};

/* Becomes this subscriber of the ring, "" the default one. policy: "drop_newest", "block" (5 seconds at most) or
 * "drop_oldest"; null: as before, for the default subscriber always. 0, or an error that the text explains. */
SEVENM_API int sevenm_open(const char *ring, const char *subscriber, const char *policy, sevenm_reader **out,
                           char error[SEVENM_ERROR]);

/* Gives the last records back and shows the next ones, which lie one after the other and are valid until the next call.
 * Returns how many, 0 if there are none just now. */
SEVENM_API uint32_t sevenm_read(sevenm_reader *reader, const sevenm_record **first);

/* Gives the last records back and waits for the next. */
SEVENM_API enum sevenm_why sevenm_wait(sevenm_reader *reader, uint64_t timeout_us);

/* Bytes from one record to the next. */
SEVENM_API uint32_t sevenm_slot_size(const sevenm_reader *reader);

/* Gives the lane back; null is nothing. */
SEVENM_API void sevenm_close(sevenm_reader *reader);

static inline const void *sevenm_data(const sevenm_record *record) { return record + 1; }

static inline const sevenm_record *sevenm_next(const sevenm_reader *reader, const sevenm_record *record) {
    return (const sevenm_record *)((const char *)record + sevenm_slot_size(reader));
}

#ifdef __cplusplus
}
#endif
#endif
