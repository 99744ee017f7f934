/* Compiled into every engine beside its engine.c: runs sm_match over a batch of any size, 256 events at a time, and
 * lays the answers out as one row of bits per rule. One call from Python per batch. */
#include <stdint.h>
#include <string.h>

#define SM_BATCH 256
#define SM_WORDS (SM_BATCH / 64)

typedef struct {
    uint64_t offset, ts_ns;
    uint32_t cap_len, wire_len;
} sm_event;

extern const struct sm_info {
    uint32_t abi, batch, n_rules, reserved;
    char digest[72];
} sm_info;

void sm_match(const uint8_t *buffer, const sm_event *events, uint32_t n, uint64_t *rows);

/* rows: n_rules + 2 rows of (n + 63) / 64 words. scratch: (n_rules + 2) * SM_WORDS words. */
void sm_run(const uint8_t *buffer, const sm_event *events, uint64_t n, uint64_t *scratch, uint64_t *rows)
{
    const uint64_t stride = (n + 63) / 64, count = (uint64_t)sm_info.n_rules + 2;

    for (uint64_t start = 0; start < n; start += SM_BATCH) {
        const uint64_t left = n - start, first = start / 64;
        const uint64_t words = stride - first < SM_WORDS ? stride - first : SM_WORDS;
        sm_match(buffer, events + start, left < SM_BATCH ? (uint32_t)left : SM_BATCH, scratch);
        for (uint64_t row = 0; row < count; row++)
            memcpy(rows + row * stride + first, scratch + row * SM_WORDS, words * sizeof *rows);
    }
}
