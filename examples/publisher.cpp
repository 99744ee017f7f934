// Publishes samples of sensors into a ring in shared memory, where they are made; the struct comes from the rule file:
//     sevenm layout sensors.7m --c > sample.h
//     c++ -std=c++17 -o publisher publisher.cpp $(pkg-config --cflags --libs sevenm) && ./publisher hall 100000 block 10
#include <algorithm>
#include <iostream>
#include <numeric>
#include <thread>

#include <sevenm.hpp>

#include "sample.h"

constexpr std::uint32_t BATCH = 64;

// Your own source of events goes here.
static Sample measure(std::uint64_t number) {
    Sample sample{};
    sample.ts = sevenm_now();
    sample.sensor = static_cast<std::uint16_t>(number % 16);
    sample.seq = static_cast<std::uint32_t>(number / 16);
    sample.status = number % 100 == 99 ? Sample_status_fault : Sample_status_ok;
    sample.temp = static_cast<std::int16_t>(number * 37 % 10000);  // in steps of 0.01 degC
    return sample;
}

static bool somebody_reads(const sevenm::Writer &writer, std::chrono::seconds most) {
    for (const auto end = std::chrono::steady_clock::now() + most;;) {
        const auto there = writer.subscribers();
        if (std::any_of(there.begin(), there.end(), [](const auto &one) { return one.pid != 0; })) return true;
        if (std::chrono::steady_clock::now() >= end) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
}

int main(int argc, char **argv) try {
    if (argc < 2 || argc > 5) {
        std::cerr << "usage: " << argv[0] << " RING [COUNT [POLICY [WAIT_SECONDS]]]\n";
        return 2;
    }
    const std::uint64_t count = argc > 2 ? std::stoull(argv[2]) : 100000;
    sevenm_shape shape{};
    shape.policy = argc > 3 ? argv[3] : nullptr;
    shape.layout_hash = Sample_HASH;
    shape.slot_size = sevenm_slot_for(sizeof(Sample), false);
    sevenm::Writer writer(argv[1], shape);
    if (argc > 4 && !somebody_reads(writer, std::chrono::seconds(std::stoul(argv[4])))) {
        std::cerr << "nobody subscribed to ring " << argv[1] << "\n";
        return 3;
    }
    for (std::uint64_t done = 0; done < count;) {
        const auto want = static_cast<std::uint32_t>(std::min<std::uint64_t>(count - done, BATCH));
        const auto slots = writer.reserve(want);  // fewer where there is no room: the others are counted
        for (std::uint32_t i = 0; i < slots.size(); i++) slots.event<Sample>(i, sevenm_now()) = measure(done + i);
        writer.commit(slots.size());
        done += want;
    }
    for (const auto &one : writer.subscribers())
        std::cout << (one.name[0] ? one.name : "(default)") << ": " << one.delivered << " delivered, "
                  << std::accumulate(one.undelivered, one.undelivered + SEVENM_CAUSES, std::uint64_t{0}) << " undelivered\n";
    return 0;
} catch (const std::exception &error) {
    std::cerr << error.what() << "\n";
    return 3;
}
