/* One line of text per packet. The definition is cli/describe.py, whose text this is, byte for byte; the tests hold the
 * two equal. */
#ifndef SM_DESCRIBE_H
#define SM_DESCRIBE_H

#include <stdint.h>

#include "sm_boundary.h"

#define SM_DESCRIBE_HEAD 192 /* bytes of a packet that are looked at */
#define SM_LINE_MAX 1024     /* longest line; a packet of tags alone has 45 of them, 10 characters each */

/* The second that was written last, as text: the next packet is mostly of the same. Zeroed memory to begin with. */
typedef struct {
    uint64_t second;
    uint32_t known;
    char text[20];
} sm_date;

/* Number (from 1), time, bytes on the wire and description, with a line feed. Returns the characters written, at most
 * SM_LINE_MAX. */
uint32_t sm_line(char *out, uint64_t number, const uint8_t *buffer, const sm_event *event, sm_date *date);

#endif
