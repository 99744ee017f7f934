/* Writes events as records of a nanosecond pcap, little endian. */
#ifndef SM_PCAP_WRITE_H
#define SM_PCAP_WRITE_H

#include "sm_boundary.h"

/* The events whose bit is set in select ((n + 63) / 64 words), one after the other into out, each cut to cap_max bytes.
 * Returns the bytes written: 16 and the captured ones for each event. */
uint64_t sm_pcap_write(const uint8_t *buffer, const sm_event *events, uint64_t n, const uint64_t *select,
                       uint32_t cap_max, uint8_t *out);

#endif
