/* Publishes samples of sensors into a ring in shared memory, where they are made; the struct comes from the rule file:
 *     sevenm layout sensors.7m --c > sample.h
 *     cc -o publisher publisher.c $(pkg-config --cflags --libs sevenm) && ./publisher hall 100000 block 10 */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sevenm.h>

#include "sample.h"

#define BATCH 64

/* Your own source of events goes here. */
static void measure(Sample *sample, uint64_t number) {
    memset(sample, 0, sizeof *sample);
    sample->ts = sevenm_now();
    sample->sensor = (uint16_t)(number % 16);
    sample->seq = (uint32_t)(number / 16);
    sample->status = number % 100 == 99 ? Sample_status_fault : Sample_status_ok;
    sample->temp = (int16_t)(number * 37 % 10000); /* in steps of 0.01 degC */
}

/* Whether somebody reads, or comes within so many seconds. */
static int somebody_reads(const sevenm_writer *writer, unsigned long seconds) {
    const uint64_t end = sevenm_now() + seconds * UINT64_C(1000000000);
    sevenm_subscriber there[16];
    do {
        const uint32_t n = sevenm_subscribers(writer, there, 16);
        for (uint32_t i = 0; i < n; i++)
            if (there[i].pid) return 1;
    } while (sevenm_now() < end && poll(0, 0, 10) == 0);
    return 0;
}

int main(int argc, char **argv) {
    char error[SEVENM_ERROR];
    sevenm_writer *writer;
    if (argc < 2 || argc > 5) {
        fprintf(stderr, "usage: %s RING [COUNT [POLICY [WAIT_SECONDS]]]\n", argv[0]);
        return 2;
    }
    const uint64_t count = argc > 2 ? strtoull(argv[2], 0, 10) : 100000;
    sevenm_shape shape = {0};
    shape.policy = argc > 3 ? argv[3] : 0;
    shape.layout_hash = Sample_HASH;
    shape.slot_size = sevenm_slot_for(sizeof(Sample), 0);
    if (sevenm_create(argv[1], &shape, &writer, error)) {
        fprintf(stderr, "%s\n", error);
        return 3;
    }
    if (argc > 4 && !somebody_reads(writer, strtoul(argv[4], 0, 10))) {
        fprintf(stderr, "nobody subscribed to ring %s\n", argv[1]);
        sevenm_writer_close(writer);
        return 3;
    }
    for (uint64_t done = 0; done < count;) {
        const uint32_t want = count - done < BATCH ? (uint32_t)(count - done) : BATCH;
        const uint32_t n = sevenm_reserve(writer, want); /* fewer where there is no room: the others are counted */
        for (uint32_t i = 0; i < n; i++) measure(sevenm_event(writer, i, sevenm_now(), sizeof(Sample)), done + i);
        sevenm_commit(writer, n);
        done += want;
    }
    sevenm_subscriber there[16];
    const uint32_t n = sevenm_subscribers(writer, there, 16);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t undelivered = 0;
        for (int cause = 0; cause < SEVENM_CAUSES; cause++) undelivered += there[i].undelivered[cause];
        printf("%s: %" PRIu64 " delivered, %" PRIu64 " undelivered\n", there[i].name[0] ? there[i].name : "(default)",
               there[i].delivered, undelivered);
    }
    sevenm_writer_close(writer);
    return 0;
}
