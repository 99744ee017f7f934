/* The Verilated core behind a C ABI: packets in, verdicts out.
 *
 * One idea: the caller never sees a clock. It hands over events and gets back the verdict that the hardware gave each
 * one, in order, and the harness checks on the way what AXI4-Stream and the core's contract promise of every packet:
 * same beats out as in, same sidebands, one verdict that is stable over the packet, one latency. */
#ifndef SM_RTL_HARNESS_H
#define SM_RTL_HARNESS_H

#include <stdint.h>

#include "sm_boundary.h" /* sm_event, sm_chunk, sm_fired: generated from sevenm/boundary.py */

#pragma GCC visibility push(default) /* all else in the shared object is hidden: models must not share symbols */
#ifdef __cplusplus
extern "C" {
#endif

#define SM_RTL_ABI 3

/* blocks_bits: bits of m_verdict_blocks */
typedef struct {
    uint32_t abi, blocks_bits, n_channels, cap_len_max;
} sm_rtl_info;

/* Where a block lies in m_verdict_blocks: from bit `at` on, as hdl/verdict.py says of its mode and number of rules. */
typedef struct {
    uint32_t all; /* every rule counts, else the first one */
    uint32_t first_rule, rules, at;
} sm_rtl_block;

/* How the two sides of the core are driven. 100 and 100 is back to back; less inserts random gaps before input beats
 * and random cycles in which the output is not taken, the same ones for the same seed. */
typedef struct {
    uint32_t valid_percent, ready_percent;
    uint64_t source; /* ingress port 0 to 15: bit of s_axis_tuser_src */
    uint64_t seed;
    uint64_t watchdog_cycles; /* most cycles between two output beats while a packet is owed */
} sm_rtl_drive;

/* Sums since sm_rtl_open. */
typedef struct {
    uint64_t cycles;
    uint64_t packets;
    uint64_t beats;
    uint64_t stalls;         /* cycles in which an input beat was offered and the core did not accept it */
    uint64_t latency_cycles; /* from first beat accepted to first beat out; 0 until measured; only back to back */
} sm_rtl_counters;

typedef struct sm_rtl_model sm_rtl_model;

extern const sm_rtl_info sm_rtl_about;

/* A model out of reset, or NULL where memory is short. */
sm_rtl_model *sm_rtl_open(void);
void sm_rtl_close(sm_rtl_model *model);

/* Runs n events through the core.
 *   blocks     n_blocks of them, in order
 *   chunks     one for 64 events: what the hardware says of them; bits from n on are 0. sm_rtl_fired has their entries.
 *   drop, forward, channels: n each, the verdict ports as the hardware drives them.
 * Returns 0, or 1 where the core broke its contract: sm_rtl_error says how and *event holds the number of the event (n where
 * it is none's). After an error the outputs are incomplete and the next call starts with a reset. */
int sm_rtl_process(sm_rtl_model *model, const uint8_t *buffer, const sm_event *events, uint64_t n,
                   const sm_rtl_drive *drive, const sm_rtl_block *blocks, uint64_t n_blocks, sm_chunk *chunks,
                   uint8_t *drop, uint16_t *forward, uint64_t *channels, uint64_t *event);

/* The entries of the last call's chunks, one chunk's after the other's; valid until the next call. */
const sm_fired *sm_rtl_fired(const sm_rtl_model *model, uint64_t *count);

/* The next sm_rtl_process writes what all signals do around the event of that number to an FST file. 1 for a model that was
 * built without (sm_rtl_error says so). */
int sm_rtl_wave(sm_rtl_model *model, const char *path, uint64_t event);

/* Writes how often each line ran and each bit changed since sm_rtl_open, as verilator_coverage reads it; 1 as above. */
int sm_rtl_coverage(sm_rtl_model *model, const char *path);

/* Text of the last error; valid until the next call. */
const char *sm_rtl_error(const sm_rtl_model *model);
void sm_rtl_count(const sm_rtl_model *model, sm_rtl_counters *out);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
