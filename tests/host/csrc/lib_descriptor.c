/* A subscriber, by libsevenm's own calls, of the ring whose descriptor it inherited: argument 1. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "sevenm.h"

int main(int argc, char **argv) {
    char error[SEVENM_ERROR];
    sevenm_reader *reader;
    uint64_t total = 0;
    if (argc != 2) return 2;
    const int code = sevenm_open_descriptor(atoi(argv[1]), "in-c", "block", 0, 0, &reader, error);
    if (code) {
        fprintf(stderr, "%s\n", error);
        return 1;
    }
    int why = SEVENM_READY;
    for (; why == SEVENM_READY || why == SEVENM_TIME; why = sevenm_wait(reader, 100000)) {
        const sevenm_record *record;
        for (uint32_t n; (n = sevenm_read(reader, &record)) > 0;)
            for (; n--; record = sevenm_next(reader, record)) total += record->ts_ns;
    }
    sevenm_close(reader);
    printf("%" PRIu64 "\n", total);
    return why == SEVENM_CLOSED ? 0 : 3;
}
