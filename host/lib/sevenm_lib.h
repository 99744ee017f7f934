/* What the two sides of libsevenm share: that sevenm.h says of records and causes what the ring does. */
#ifndef SEVENM_LIB_H
#define SEVENM_LIB_H

#include "sevenm.h"

#include <stdio.h>

#include "ring.h"

static_assert(sizeof(sevenm_record) == sizeof(sm_record) && offsetof(sevenm_record, seq) == offsetof(sm_record, seq) &&
                  offsetof(sevenm_record, rule) == offsetof(sm_record, rule) &&
                  offsetof(sevenm_record, cap_len) == offsetof(sm_record, cap_len) &&
                  offsetof(sevenm_record, engine) == offsetof(sm_record, engine) &&
                  offsetof(sevenm_record, source) == offsetof(sm_record, source),
              "records are those of the boundary");
static_assert(SEVENM_HEADER == SM_RECORD_HEADER && SEVENM_HEADER == sizeof(sevenm_record), "the header is the ring's");
static_assert(SEVENM_ERROR == SM_RING_ERROR && SEVENM_BAD == SM_RING_BAD, "errors are the ring's");

/* The number of a policy's name, SM_RING_SAME_POLICY of none. 0, and the text, for a name that there is not. */
static inline int sevenm_policy(const char *policy, uint32_t *number, char *error) {
    static const char *const names[SM_RING_POLICIES] = {"drop_newest", "block", "drop_oldest"};
    *number = SM_RING_SAME_POLICY;
    if (!policy) return 1;
    for (uint32_t i = 0; i < SM_RING_POLICIES; i++)
        if (strcmp(policy, names[i]) == 0) *number = i;
    if (*number == SM_RING_SAME_POLICY)
        snprintf(error, SEVENM_ERROR, "policy must be one of drop_newest, block, drop_oldest, not %.100s", policy);
    return *number != SM_RING_SAME_POLICY;
}

#endif
