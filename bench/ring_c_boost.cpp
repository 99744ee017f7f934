/* A peer of bench/ring_c.py: boost::lockfree::spsc_queue, its size known to the compiler. */
#include <boost/lockfree/spsc_queue.hpp>

#include "ring_c.h"

namespace {

using queue = boost::lockfree::spsc_queue<event, boost::lockfree::capacity<SLOTS>>;
queue *queues[2];

int open_queues() {
    for (auto &one : queues) one = new queue;
    return 0;
}

void close_queues() {
    for (auto &one : queues) delete one;
}

void produce_1(uint64_t n) {
    queue &q = *queues[0];
    for (uint64_t id = 0; id < n; id++) {
        event made;
        fill(made.word, id);
        while (!q.push(made)) relax();
    }
}

void produce_batch(uint64_t n) {
    queue &q = *queues[0];
    event made[BATCH];
    for (uint64_t id = 0; id < n; id += BATCH) {
        for (uint64_t i = 0; i < BATCH; i++) fill(made[i].word, id + i);
        keep(made);
        for (uint64_t done = 0; done < BATCH;) {
            const uint64_t pushed = q.push(made + done, BATCH - done);
            if (!pushed) relax();
            done += pushed;
        }
    }
}

void pop_1(uint64_t n, tally *found) {
    queue &q = *queues[0];
    tally mine = *found;
    while (mine.next < n) {
        event got;
        if (!q.pop(got)) {
            relax();
            continue;
        }
        keep(&got);
        look(&mine, got.word);
    }
    *found = mine;
}

void consume_1(uint64_t n, tally *found) {
    queue &q = *queues[0];
    tally mine = *found;
    auto each = [&mine](const event &e) { look(&mine, e.word); };
    while (mine.next < n)
        if (!q.consume_one(each)) relax();
    *found = mine;
}

void pop_batch(uint64_t n, tally *found) {
    queue &q = *queues[0];
    tally mine = *found;
    event got[BATCH];
    while (mine.next < n) {
        const uint64_t popped = q.pop(got, BATCH);
        if (!popped) relax();
        keep(got);
        for (uint64_t i = 0; i < popped; i++) look(&mine, got[i].word);
    }
    *found = mine;
}

void consume_all(uint64_t n, tally *found) {
    queue &q = *queues[0];
    tally mine = *found;
    auto each = [&mine](const event &e) { look(&mine, e.word); };
    while (mine.next < n)
        if (!q.consume_all(each)) relax();
    *found = mine;
}

ALWAYS_INLINE void send(int to, uint64_t id) {
    event made;
    fill(made.word, id);
    while (!queues[to]->push(made)) {
    }
}

ALWAYS_INLINE uint64_t receive(int from) {
    uint64_t id = 0;
    auto each = [&id](const event &e) { id = e.word[7] - 7; };
    while (!queues[from]->consume_one(each)) {
    }
    return id;
}

void ping(uint64_t n, uint64_t *ticks) { ping_by(send, receive, n, ticks); }
void pong(uint64_t n) { pong_by(send, receive, n); }

} // namespace

extern "C" const way boost_ways[] = {
    {"boost, consume_one", 1, open_queues, close_queues, produce_1, consume_1, ping, pong},
    {"boost, pop", 1, open_queues, close_queues, produce_1, pop_1, nullptr, nullptr},
    {"boost, consume_all", BATCH, open_queues, close_queues, produce_batch, consume_all, nullptr, nullptr},
    {"boost, pop of 32", BATCH, open_queues, close_queues, produce_batch, pop_batch, nullptr, nullptr},
    {nullptr, 0, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr},
};
