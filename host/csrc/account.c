/* The same, in NumPy: host/engine/accounts.py; the tests hold the two equal. */
#include "account.h"

void sm_account(sm_accounts *accounts, const sm_event *events, uint32_t n, const sm_chunk *chunk, const sm_fired *fired,
                const sm_resolved *resolved)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < n; i++)
        bytes += events[i].cap_len;
    sm_add(&accounts->events, n);
    sm_add(&accounts->bytes, bytes);
    sm_add(&accounts->malformed, sm_bits(chunk->malformed));
    sm_add(&accounts->truncated, sm_bits(chunk->truncated));
    sm_add(&accounts->punted, sm_bits(chunk->punt));
    sm_add(&accounts->dropped, sm_bits(resolved->drop));
    sm_add(&accounts->passed, n - sm_bits(resolved->drop | resolved->forwarded));
    for (uint32_t left = resolved->used; left; left &= left - 1) {
        const unsigned port = (unsigned)__builtin_ctz(left);
        sm_add(&accounts->forwarded[port], sm_bits(resolved->ports[port]));
    }
    for (uint32_t i = 0; i < chunk->fired; i++)
        sm_add(&accounts->rules[fired[i].rule], sm_bits(fired[i].events));
    for (uint32_t i = 0; i < resolved->n_touched; i++) {
        const uint32_t counter = resolved->touched[i];
        sm_add(&accounts->counters[counter], sm_bits(resolved->counted[counter]));
    }
    for (uint64_t left = resolved->channels; left; left &= left - 1) {
        const unsigned channel = (unsigned)__builtin_ctzll(left);
        sm_add(&accounts->matched[channel], sm_bits(resolved->words[channel]));
    }
}

uint64_t sm_accounts_waiting(const sm_accounts *accounts)
{
    uint64_t sum = 0;
    for (uint64_t channel = 0; channel < accounts->channels; channel++)
        sum += __atomic_load_n(&accounts->waiting[channel], __ATOMIC_ACQUIRE);
    return sum;
}
