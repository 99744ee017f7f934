/* The writer of libsevenm: what misuse gives, that every event is delivered or counted, in place, through the buffer for
 * several subscribers and copied, with headers and bare, and that a sleeping reader is woken by the inline commit.
 * Arguments: name, steps, seed, events of the stream. */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "ring.h"
#include "sevenm.h"

enum { SLOTS = 256, LOST_S = 9, PATIENCE_US = 10000000 };

static const char *name;
static char error[SEVENM_ERROR];
static uint64_t random_state;

static uint64_t chance(uint64_t below) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % below;
}

static sevenm_writer *made(const char *policy, int bare) {
    sevenm_shape shape = {0};
    sevenm_writer *writer;
    shape.slots = SLOTS;
    shape.slot_size = 64;
    shape.policy = policy;
    shape.bare = (uint32_t)bare;
    shape.layout_hash = 0x1234;
    if (sevenm_create(name, &shape, &writer, error)) fprintf(stderr, "%s\n", error);
    CHECK(writer);
    return writer;
}

static void removed(void) {
    char path[256];
    snprintf(path, sizeof path, "/dev/shm/sevenm.%s", name);
    unlink(path);
}

static void refused(sevenm_shape shape, int code, const char *text) {
    sevenm_writer *writer = (sevenm_writer *)(uintptr_t)1;
    const int found = sevenm_create(name, &shape, &writer, error);
    if (found != code || !strstr(error, text)) fprintf(stderr, "%d: %s\n", found, error);
    CHECK(found == code && strstr(error, text) && !writer);
}

static void misuse(void) {
    sevenm_shape shape = {0};
    sevenm_reader *reader;
    const sevenm_record *record;
    const void *event;
    shape.policy = "drop";
    refused(shape, SEVENM_BAD, "policy must be one of drop_newest, block, drop_oldest, not drop");
    shape.policy = 0;
    shape.slots = 300;
    refused(shape, SEVENM_BAD, "slots must be a power of two from 256 to 16777216, not 300");
    shape.slots = 0;
    shape.slot_size = 100;
    refused(shape, SEVENM_BAD, "slot_size must be a multiple of 32 from 64 to 2048 bytes, not 100");
    shape.slot_size = 0;
    shape.digest = "12";
    refused(shape, SEVENM_BAD, "digest must be 64 lower-case hexadecimal digits, not \"12\"");
    CHECK(sevenm_create("a/b", 0, &(sevenm_writer *){0}, error) == SEVENM_BAD && strstr(error, "a ring's name must be"));

    sevenm_writer *writer = made(0, 0);
    shape = (sevenm_shape){0};
    refused(shape, 4, "is taken by a living producer");
    CHECK(sevenm_open_as(name, "", 0, 1, 0, &reader, error) == 5 && strstr(error, "this reader expects bare slots") && !reader);
    CHECK(sevenm_open_as(name, "", 0, 0, 7, &reader, error) == 5 && strstr(error, "this reader expects 0x0000000000000007"));
    CHECK(!sevenm_open_as(name, "", 0, 0, 0x1234, &reader, error));
    CHECK(sevenm_commit(writer, 1) == SEVENM_BAD && !sevenm_event(writer, 0, 0, 1));
    CHECK(sevenm_reserve(writer, 2) == 2);
    CHECK(!sevenm_slot(writer, 2) && !sevenm_event(writer, 2, 0, 8) && !sevenm_event(writer, 1, 0, 33));
    CHECK(!sevenm_event(writer, 1, 0, UINT32_MAX) && sevenm_event(writer, 1, 0, 32) && sevenm_room(writer) == 32);
    CHECK(sevenm_commit(writer, 3) == SEVENM_BAD && sevenm_read(reader, &record) == 0);
    CHECK(sevenm_event(writer, 0, 5, 4) && sevenm_commit(writer, 1) == 0 && sevenm_commit(writer, 1) == SEVENM_BAD);
    CHECK(sevenm_read(reader, &record) == 1 && record->ts_ns == 5 && record->cap_len == 4 && record->wire_len == 4);
    CHECK(record->seq == 0 && !record->rule && !record->generation && !record->engine && !record->flags && !record->source);
    CHECK(sevenm_reserve(writer, 2) == 2 && sevenm_write(writer, "", 0) == 0 && sevenm_commit(writer, 1) == SEVENM_BAD);
    CHECK(sevenm_reserve(writer, UINT32_MAX) == SLOTS - 1); /* one is still the reader's */
    CHECK(sevenm_set_digest(writer, "x") == SEVENM_BAD && sevenm_set_digest(writer, 0) == SEVENM_BAD);
    CHECK(sevenm_read_bare(reader, &event) == 0 && sevenm_wait(reader, 0) == SEVENM_FAULT);
    sevenm_close(reader);
    sevenm_writer_close(writer);
    sevenm_writer_close(0);
    sevenm_close(0);
    shape = (sevenm_shape){0};
    refused(shape, 5, "left by an earlier producer");
    removed();
}

/* What `sevenm_subscribers` says of a subscriber. */
static sevenm_subscriber counts_of(const sevenm_writer *writer, const char *subscriber) {
    sevenm_subscriber all[16];
    const uint32_t n = sevenm_subscribers(writer, all, 16);
    uint32_t i = 0;
    while (i < n && strcmp(all[i].name, subscriber)) i++;
    CHECK(i < n);
    return all[i];
}

static uint64_t sent(const sevenm_subscriber *one) {
    uint64_t sum = one->delivered;
    for (int cause = 0; cause < SEVENM_CAUSES; cause++) sum += one->undelivered[cause];
    return sum;
}

typedef struct {
    sevenm_reader *reader;
    uint64_t read, last; /* events; the number of the last one, and one more */
} subscriber;

/* Everything that is there: each event is later than the one before, and whole. */
static void drain(subscriber *one, int bare) {
    const char *at = 0;
    uint32_t n;
    do {
        const sevenm_record *record = 0;
        const void *event = 0;
        n = bare ? sevenm_read_bare(one->reader, &event) : sevenm_read(one->reader, &record);
        at = bare ? event : (const char *)record;
        for (uint32_t i = 0; i < n; i++, at += sevenm_slot_size(one->reader)) {
            uint64_t words[4];
            memcpy(words, bare ? (const void *)at : sevenm_data((const sevenm_record *)(const void *)at), sizeof words);
            CHECK(words[0] >= one->last && words[1] == ~words[0] && words[3] == words[0] * 3);
            if (!bare) CHECK(((const sevenm_record *)(const void *)at)->ts_ns == words[0]);
            one->last = words[0] + 1;
        }
        one->read += n;
    } while (n);
}

static void fill(uint64_t *words, uint64_t number) {
    words[0] = number;
    words[1] = ~number;
    words[2] = 0;
    words[3] = number * 3;
}

/* Reserving, committing less, copying, reading, subscribing and leaving in any order. */
static void any_order(uint64_t steps, const char *policy, int bare) {
    static uint64_t batch[SLOTS * 2][8];
    sevenm_writer *writer = made(policy, bare);
    subscriber default_one = {0}, other = {0};
    uint64_t number = 0, offered = 0, other_from = 0, missed = 0;
    CHECK(!sevenm_open_as(name, "", 0, bare, 0x1234, &default_one.reader, error));
    for (uint64_t step = 0; step < steps; step++) {
        const uint32_t n = (uint32_t)chance(chance(8) ? 40 : SLOTS + 50);
        switch (chance(6)) {
        case 0:
        case 1: {
            const uint32_t granted = sevenm_reserve(writer, n), used = chance(5) ? granted : (uint32_t)chance(granted + 1);
            const uint32_t wanted = n < SLOTS ? n : SLOTS;
            CHECK(granted <= wanted);
            for (uint32_t i = 0; i < used; i++) fill(sevenm_event(writer, i, number + i, 32), number + i);
            CHECK(sevenm_commit(writer, used) == 0);
            number += used;
            offered += used + (wanted - granted);
            missed += wanted - granted;
            break;
        }
        case 2: {
            for (uint32_t i = 0; i < n; i++) {
                sevenm_record *const record = (sevenm_record *)(void *)batch[i];
                memset(record, 0, 32);
                if (!bare) record->ts_ns = number + i;
                fill(batch[i] + (bare ? 0 : 4), number + i);
            }
            CHECK(sevenm_write(writer, batch, n) <= n);
            number += n;
            offered += n;
            break;
        }
        case 3:
            drain(&default_one, bare);
            break;
        case 4:
            if (other.reader) drain(&other, bare);
            break;
        default:
            if (chance(4)) break;
            if (other.reader) {
                const sevenm_subscriber said = counts_of(writer, "other");
                drain(&other, bare);
                CHECK(sent(&said) == offered - other_from);
                sevenm_close(other.reader);
                other = (subscriber){0};
            } else {
                CHECK(!sevenm_open_as(name, "other", chance(2) ? "drop_newest" : "drop_oldest", bare, 0, &other.reader, error));
                CHECK(sevenm_write(writer, batch, 0) == 0); /* notices it: what is reserved without is not for it */
                sevenm_reserve(writer, 0);
                sevenm_commit(writer, 0);
                other_from = offered;
            }
        }
    }
    sevenm_close(other.reader);
    drain(&default_one, bare);
    const sevenm_subscriber said = counts_of(writer, "");
    CHECK(said.pid == (uint32_t)getpid() && !said.corrupt && sent(&said) == offered && said.lost + default_one.read == said.delivered);
    CHECK(said.undelivered[SEVENM_FULL] >= missed);
    CHECK(default_one.read > steps && offered > default_one.read);
    sevenm_writer_close(writer);
    CHECK(sevenm_wait(default_one.reader, 0) == SEVENM_CLOSED);
    sevenm_close(default_one.reader);

    writer = made(policy, bare); /* goes on where the last one ended */
    CHECK(counts_of(writer, "").delivered == said.delivered);
    CHECK(!sevenm_open_as(name, "", 0, bare, 0, &default_one.reader, error));
    CHECK(sevenm_reserve(writer, 1) == 1);
    fill(sevenm_event(writer, 0, number, 32), number);
    CHECK(!sevenm_commit(writer, 1));
    drain(&default_one, bare);
    CHECK(default_one.last == number + 1);
    const pid_t child = fork();
    if (child == 0) {
        sevenm_disown(default_one.reader);
        sevenm_writer_disown(writer);
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(sevenm_reserve(writer, 1) == 1 && sevenm_commit(writer, 1) == 0); /* it still is the parent's */
    sevenm_close(default_one.reader);
    sevenm_writer_close(writer);
    removed();
}

static sevenm_writer *there, *back;
static sevenm_reader *here, *home;
static uint64_t turns, stream;

static void send(sevenm_writer *writer, uint32_t n, uint64_t number) {
    CHECK(sevenm_reserve(writer, n) == n);
    for (uint32_t i = 0; i < n; i++) fill(sevenm_event(writer, i, number + i, 32), number + i);
    CHECK(!sevenm_commit(writer, n));
}

/* At least one; a wait that ends by its time is a wake-up that was lost. */
static uint64_t receive(sevenm_reader *reader, uint64_t number) {
    subscriber one = {reader, 0, number};
    const time_t begin = time(0);
    for (;;) {
        drain(&one, 0);
        if (one.read) break;
        CHECK(sevenm_wait(reader, PATIENCE_US) == SEVENM_READY);
    }
    CHECK(time(0) - begin < LOST_S && one.last == number + one.read);
    return one.read;
}

static void *other_side(void *unused) {
    (void)unused;
    for (uint64_t i = 0; i < turns; i++) {
        CHECK(receive(here, i) == 1);
        send(back, 1, i);
    }
    for (uint64_t received = turns; received < turns + stream;) received += receive(here, received);
    return 0;
}

/* The ring's handle, which comes after what sevenm.h shows of a side. */
static sm_ring *ring_of(const void *side, size_t shown) {
    sm_ring *ring;
    memcpy(&ring, (const char *)side + shown, sizeof ring);
    return ring;
}

/* One mapping for both sides, which is what the thread sanitizer can follow. Called again, undoes it. */
static void exchange(const sevenm_writer *writer, const sevenm_reader *reader) {
    static struct {
        const sevenm_reader *reader;
        sm_ring_header *header;
        sm_lane_block *block;
        uint8_t *base;
    } own[2];
    const sm_ring *const from = ring_of(writer, sizeof *writer);
    sm_ring *const to = ring_of(reader, sizeof(void *));
    const int i = reader == home;
    const int back_again = own[i].reader == reader;
    sm_ring_header *const header = back_again ? own[i].header : from->shared;
    sm_lane_block *const block = back_again ? own[i].block : from->lanes->shared;
    uint8_t *const base = back_again ? own[i].base : from->lanes->base;
    own[i].reader = reader;
    own[i].header = to->shared;
    own[i].block = to->lanes->shared;
    own[i].base = to->lanes->base;
    to->shared = header;
    to->lanes->shared = block;
    to->lanes->base = base;
}

static void two_threads(void) {
    char other[128];
    const char *const first = name;
    there = made("block", 0);
    CHECK(!sevenm_open(name, "", 0, &here, error));
    removed();
    snprintf(other, sizeof other, "%s-back", first);
    name = other;
    back = made("block", 0);
    CHECK(!sevenm_open(name, "", 0, &home, error));
    removed();
    name = first;
    pthread_t thread;
    exchange(there, here);
    exchange(back, home);
    CHECK(pthread_create(&thread, 0, other_side, 0) == 0);
    for (uint64_t i = 0; i < turns; i++) {
        send(there, 1, i);
        CHECK(receive(home, i) == 1);
    }
    for (uint64_t done = 0; done < stream; done += 50) send(there, 50, turns + done);
    pthread_join(thread, 0);
    exchange(there, here);
    exchange(back, home);
    sevenm_close(here);
    sevenm_close(home);
    sevenm_writer_close(there);
    sevenm_writer_close(back);
}

int main(int argc, char **argv) {
    CHECK(argc == 5);
    name = argv[1];
    const uint64_t steps = strtoull(argv[2], 0, 10);
    random_state = strtoull(argv[3], 0, 10);
    stream = strtoull(argv[4], 0, 10);
    turns = stream / 50;
    if (steps) {
        misuse();
        for (int bare = 0; bare < 2; bare++) {
            any_order(steps, "drop_newest", bare);
            any_order(steps, "drop_oldest", bare);
        }
    }
    two_threads();
    printf("%" PRIu64 " turns and %" PRIu64 " events\n", turns, stream);
    return 0;
}
