/* Receives matches from a ring in shared memory: prints the first and counts the rest.
 *     cc -o subscriber subscriber.c $(pkg-config --cflags --libs sevenm) && ./subscriber edge.web audit drop_oldest */
#include <inttypes.h>
#include <stdio.h>

#include <sevenm.h>

int main(int argc, char **argv) {
    char error[SEVENM_ERROR];
    sevenm_reader *reader;
    uint64_t received = 0;
    if (argc < 2 || argc > 4) {
        fprintf(stderr, "usage: %s RING [SUBSCRIBER [POLICY]]\n", argv[0]);
        return 2;
    }
    if (sevenm_open(argv[1], argc > 2 ? argv[2] : "", argc > 3 ? argv[3] : 0, &reader, error)) {
        fprintf(stderr, "%s\n", error);
        return 3;
    }
    enum sevenm_why why = SEVENM_READY;
    while (why == SEVENM_READY || why == SEVENM_TIME) {
        const sevenm_record *record;
        for (uint32_t n; (n = sevenm_read(reader, &record)) > 0; received += n)
            if (received == 0)
                printf("first: seq %" PRIu64 ", rule %" PRIu32 ", %" PRIu16 " bytes\n", record->seq, record->rule,
                       record->cap_len);
        why = sevenm_wait(reader, 1000000);
    }
    sevenm_close(reader);
    printf("%" PRIu64 " received%s\n", received, why == SEVENM_CLOSED ? "" : ", and the producer did not close the ring");
    return why != SEVENM_CLOSED;
}
