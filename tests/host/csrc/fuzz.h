/* A fuzzer's input, taken from the front as numbers; what is past its end is 0. A driver has fuzz_one, and fuzz_said,
 * which prints what it saw. Built with -DLIBFUZZER, clang's libFuzzer makes the inputs, led by coverage; else `main`
 * here does: numbers that hurt, at random, and changes of inputs that it made before. Arguments: rounds, seed. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

enum { FUZZ_MAX = 4096, FUZZ_KEPT = 64 };

typedef struct {
    const uint8_t *at, *end;
} fuzz_input;

static void fuzz_one(fuzz_input in);
static void fuzz_said(void);

static inline uint64_t take_bytes(fuzz_input *in, uint32_t n)
{
    uint64_t value = 0;
    for (uint32_t i = 0; i < n && in->at < in->end; i++)
        value |= (uint64_t)*in->at++ << 8 * i;
    return value;
}

static inline uint8_t take_byte(fuzz_input *in) { return (uint8_t)take_bytes(in, 1); }
static inline uint32_t take_below(fuzz_input *in, uint32_t n) { return (uint32_t)take_bytes(in, 2) % n; }

#ifdef LIBFUZZER

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int first = 1;
    if (first)
        atexit(fuzz_said);
    first = 0;
    fuzz_one((fuzz_input){data, data + size});
    return 0;
}

#else

static uint64_t fuzz_state;

static inline uint32_t fuzz_below(uint32_t n)
{
    fuzz_state ^= fuzz_state << 13;
    fuzz_state ^= fuzz_state >> 7;
    fuzz_state ^= fuzz_state << 17;
    return (uint32_t)((fuzz_state >> 11) % n);
}

static uint8_t fuzz_number(void)
{
    static const uint8_t HURT[] = {0, 1, 2, 0x0f, 0x10, 0x7f, 0x80, 0xfe, 0xff};
    return fuzz_below(2) ? HURT[fuzz_below(sizeof HURT)] : (uint8_t)fuzz_below(256);
}

int main(int argc, char **argv)
{
    static uint8_t kept[FUZZ_KEPT][FUZZ_MAX];
    static uint32_t sizes[FUZZ_KEPT];
    CHECK(argc == 3);
    const uint64_t rounds = strtoull(argv[1], 0, 10);
    fuzz_state = strtoull(argv[2], 0, 10);
    CHECK(fuzz_state);
    for (uint64_t round = 0; round < rounds; round++) {
        const uint32_t from = fuzz_below(FUZZ_KEPT), to = fuzz_below(FUZZ_KEPT);
        uint32_t size = sizes[from];
        if (!size || fuzz_below(4) == 0) {
            size = 1 + fuzz_below(fuzz_below(2) ? 64 : FUZZ_MAX);
            for (uint32_t i = 0; i < size; i++)
                kept[to][i] = fuzz_number();
        } else {
            memmove(kept[to], kept[from], size);
            for (uint32_t changes = 1 + fuzz_below(8); changes; changes--)
                kept[to][fuzz_below(size)] = fuzz_number();
        }
        sizes[to] = size;
        uint8_t *exact = malloc(size);
        CHECK(exact);
        memcpy(exact, kept[to], size);
        fuzz_one((fuzz_input){exact, exact + size});
        free(exact);
    }
    fuzz_said();
    return 0;
}

#endif
#endif
