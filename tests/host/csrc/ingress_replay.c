/* Events at random times through the replay: each comes once, in order, not before it is due, and with the ones that are due.
 * The clock is the test's own. Arguments: steps, seed. */
#include <inttypes.h>
#include <stdlib.h>

#include "check.h"
#include "ingress_replay.h"

enum { MOST = 64 };

static uint64_t random_state;

static uint64_t chance(uint64_t below) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % below;
}

/* Times that grow by little, by much, not at all, or go back; none for some. */
static uint64_t later(uint64_t *now) {
    switch (chance(12)) {
    case 0: return 0;
    case 1: *now += chance(UINT64_C(1) << (10 + chance(50))); break;
    case 2: *now -= chance(2000000000) < *now ? chance(2000000000) % *now : 0; break;
    case 3: break;
    default: *now += chance(1000000);
    }
    return *now;
}

int main(int argc, char **argv) {
    CHECK(argc == 3);
    const uint64_t steps = strtoull(argv[1], 0, 10);
    random_state = strtoull(argv[2], 0, 10);
    static const double speeds[] = {1, 0.001, 20, 1e6, 0};
    const double speed = speeds[chance(5)];
    uint8_t byte = 0;
    uint64_t clock = 77, ts = UINT64_C(1700000000000000000), given = 0, came = 0, waits = 0;
    sm_replay_ingress replay;
    sm_memory_ingress piece;
    sm_event *const events = calloc(MOST, sizeof *events); /* of its own, so that the sanitizer sees its end */
    CHECK(events);
    sm_replay_ingress_open(&replay, speed);
    replay.clock = &clock;
    sm_ingress *const ingress = &replay.live.base;
    double due = 0; /* of the next one, by a second reckoning */
    uint64_t last = 0, at = 0, n = 0;
    for (uint64_t step = 0; step < steps; step++) {
        sm_burst burst;
        const int found = ingress->ops->next(ingress, &burst);
        if (found == SM_INGRESS_READY) {
            CHECK(burst.n >= 1 && burst.n <= n - at && burst.events == events + at && burst.buffer == &byte);
            for (uint64_t i = 0; i < burst.n; i++, at++) {
                const uint64_t t = events[at].ts_ns;
                CHECK(t == 0 || events[at].cap_len == 1);
                if (t && last && t > last && speed != 0) {
                    const double gap = (double)(t - last) / speed;
                    due += gap < 60e9 ? gap : 60e9;
                }
                if (t && (t > last || last - t > 1000000000)) last = t;
                CHECK(speed == 0 || due + (double)replay.behind_ns <= (double)(clock - 77) + 500);
            }
            came += burst.n;
            ingress->ops->release(ingress, &burst);
            CHECK(came == replay.live.received);
            continue;
        }
        CHECK(found == SM_INGRESS_IDLE);
        if (!replay.holds) {
            CHECK(came == given && !replay.piece);
            n = 1 + chance(MOST);
            at = 0;
            for (uint64_t i = 0; i < n; i++) events[i] = (sm_event){0, later(&ts), 1, 1};
            sm_memory_ingress_open(&piece, &byte, events, n, 1 + (uint32_t)chance(20), 1, 0);
            sm_replay_ingress_feed(&replay, &piece.base);
            given += n;
            continue;
        }
        CHECK(speed != 0 && ingress->ops->wait(ingress, 0) == 0);
        /* The next is due after just as long as it says, and no later. */
        const double left = replay.due_ns - (double)(clock - replay.start_ns);
        CHECK(left > 0 && left <= 60e9 + 1);
        clock += chance(3) ? (uint64_t)left + 1 : (uint64_t)left / (1 + chance(4)) + chance(2 * 1000000);
        waits++;
    }
    CHECK(speed != 0 ? waits > 0 : waits == 0);
    ingress->ops->close(ingress);
    CHECK(ingress->ops->wait(ingress, 0) < 0);
    free(events);
    printf("%" PRIu64 " events, %" PRIu64 " waits\n", came, waits);
    return 0;
}
