/* One engine, compiled for several levels of its architecture's instructions: the object's own interface, which is that
   of an engine (boundary.py), passes on to the level in use. When the object is loaded that is the best one that the
   processor runs. A level that was not built is not there: its symbols are weak.

   Nothing here may need more than every processor of the architecture has. */
#include <stddef.h>
#include <stdint.h>

#include "sm_boundary.h"

#define EXPORT __attribute__((visibility("default")))

EXPORT extern struct sm_info sm_info;
struct sm_info sm_info; /* of the level in use; its abi is 0 while there is none */

EXPORT sm_match_function sm_match;
EXPORT uint64_t sm_state_bytes(uint32_t state);
EXPORT uint32_t sm_use_level(uint32_t level);

#if defined(__x86_64__)
#define HAS_BMI2 (__builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt"))
#define HAS_AVX2 (__builtin_cpu_supports("avx2") && HAS_BMI2)
#define HAS_AVX512 \
    (HAS_AVX2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") \
     && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
#define LEVELS(LEVEL) LEVEL(AVX512, HAS_AVX512) LEVEL(AVX2, HAS_AVX2) LEVEL(PLAIN, 1)
#elif defined(__aarch64__)
#define LEVELS(LEVEL) LEVEL(NEON, 1) LEVEL(PLAIN, 1)
#else
#define LEVELS(LEVEL) LEVEL(PLAIN, 1)
#endif

#define OWN __attribute__((weak, visibility("hidden")))
#define DECLARE(NAME, RUNS) \
    extern const struct sm_info sm_info_##NAME OWN; \
    extern sm_match_function sm_match_##NAME OWN; \
    extern uint64_t sm_state_bytes_##NAME(uint32_t state) OWN; \
    extern void sm_fill_##NAME(void) OWN;
LEVELS(DECLARE)

static sm_match_function *match;
static uint64_t (*state_bytes)(uint32_t state);

#define USE(NAME, RUNS) \
    if (level == SM_LEVEL_##NAME && sm_match_##NAME && (RUNS)) { \
        static int filled; \
        if (!filled) \
            sm_fill_##NAME(); \
        filled = 1; \
        sm_info = sm_info_##NAME; \
        match = sm_match_##NAME; \
        state_bytes = sm_state_bytes_##NAME; \
        return 1; \
    }

/* Goes on with this level; 0 if it was not built, or the processor lacks it. Not while an engine runs. */
uint32_t sm_use_level(uint32_t level)
{
    LEVELS(USE)
    return 0;
}

#define BEST(NAME, RUNS) || sm_use_level(SM_LEVEL_##NAME)

static __attribute__((constructor)) void choose(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
#endif
    (void)(0 LEVELS(BEST));
}

uint64_t sm_match(const uint8_t *buffer, const sm_event *events, uint64_t n, const sm_context *context,
                  sm_chunk *chunks, sm_fired *fired, uint64_t room, uint16_t *ports)
{
    return match(buffer, events, n, context, chunks, fired, room, ports);
}

uint64_t sm_state_bytes(uint32_t state)
{
    return state_bytes(state);
}
