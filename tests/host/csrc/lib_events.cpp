// The C++ classes of libsevenm: every event of a writer arrives, with headers and bare, moved or not, and misuse throws.
// Arguments: name, events.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>

#include "check.h"
#include "sevenm.hpp"

namespace {

struct Event {
    std::uint64_t number, inverse;
    std::uint32_t more[4];
};

struct Large {
    char bytes[64];
};

template <class Error, class Call> void throws(Call call, const char *text) {
    std::string said = "nothing";
    try {
        call();
    } catch (const Error &error) {
        said = error.what();
    }
    if (said.find(text) == std::string::npos) std::cerr << said << " was said, not: " << text << "\n";
    CHECK(said.find(text) != std::string::npos);
}

void unlinked(const std::string &name) { std::remove(("/dev/shm/sevenm." + name).c_str()); }

sevenm_shape shape(bool bare) {
    sevenm_shape out{};
    out.slots = 256;
    out.slot_size = sevenm_slot_for(sizeof(Event), bare);
    out.bare = bare;
    out.layout_hash = 77;
    return out;
}

void with_headers(const std::string &name, std::uint64_t events) {
    sevenm::Writer first(name, shape(false));
    sevenm::Writer writer = std::move(first);
    throws<std::runtime_error>([&] { sevenm::Writer{name, shape(false)}; }, "is taken by a living producer");
    throws<std::runtime_error>([&] { sevenm::Reader{name, "", "", 78}; }, "carries layout 0x000000000000004d");
    throws<std::runtime_error>([&] { sevenm::EventReader<Event>{name}; }, "this reader expects bare slots");
    throws<std::out_of_range>([&] { writer.commit(1); }, "more slots are committed than are reserved");
    throws<std::out_of_range>([&] { writer.reserve(1).event<Event>(1, 0); }, "the slot is not reserved");
    throws<std::out_of_range>([&] { writer.reserve(1).event(0, 0, 33); }, "or smaller than the event");
    throws<std::invalid_argument>([&] { writer.set_digest("00"); }, "a digest is 64 lower-case hexadecimal digits");
    writer.set_digest(std::string(64, 'a'));

    sevenm::Reader reader(name, "", "", 77), audit(name, "audit", "drop_oldest");
    std::uint64_t read = 0, audited = 0;
    for (std::uint64_t done = 0; done < events;) {
        const auto slots = writer.reserve(50);
        CHECK(slots.size() == 50);
        for (std::uint32_t i = 0; i < slots.size(); i++) {
            slots.event<Event>(i, 1000 + done + i) = {done + i, ~(done + i), {1, 2, 3, 4}};
            slots.record(i).rule = 9;
        }
        writer.commit(slots.size());
        done += slots.size();
        for (auto some = reader.read(); !some.empty(); some = reader.read())
            for (const sevenm_record &record : some) {
                Event event;
                CHECK(sevenm::data(record).size() == sizeof event && record.rule == 9);
                std::memcpy(&event, sevenm::data(record).data(), sizeof event);
                CHECK(event.number == read && event.inverse == ~read && record.ts_ns == 1000 + read && record.seq == read);
                read++;
            }
        for (auto some = audit.read(); !some.empty(); some = audit.read()) audited += some.size();
    }
    const auto there = writer.subscribers();
    CHECK(there.size() == 2 && there[0].delivered == events && std::string(there[1].name) == "audit");
    CHECK(read == events && audited == events && there[1].lost == 0);
}

void bare(const std::string &name, std::uint64_t events) {
    sevenm::Writer writer(name, shape(true));
    sevenm::EventReader<Event> first(name);
    sevenm::EventReader<Event> reader = std::move(first);
    throws<std::runtime_error>([&] { sevenm::EventReader<Large>{name, "big"}; }, "its slots are smaller than the event");
    std::uint64_t read = 0;
    for (std::uint64_t done = 0; done < events; done += 50) {
        Event batch[50];
        for (std::uint64_t i = 0; i < 50; i++) batch[i] = {done + i, ~(done + i), {}};
        CHECK(writer.write(batch, 50) == 50);
        for (auto some = reader.read(); !some.empty(); some = reader.read()) {
            CHECK(some[0].number == read && some[some.size() - 1].number == read + some.size() - 1);
            for (const Event &event : some) CHECK(event.number == read && event.inverse == ~read++);
        }
    }
    CHECK(read == events && reader.wait(std::chrono::microseconds(1)) == SEVENM_TIME);
}

}  // namespace

int main(int argc, char **argv) {
    CHECK(argc == 3);
    const std::uint64_t events = std::strtoull(argv[2], nullptr, 10);
    with_headers(argv[1], events);
    unlinked(argv[1]);
    bare(argv[1], events);
    unlinked(argv[1]);
    std::cout << 2 * events << " events\n";
}
