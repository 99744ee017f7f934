// Receives matches from a ring in shared memory: prints the first and counts the rest, with their bytes.
//     c++ -std=c++17 -o subscriber subscriber.cpp $(pkg-config --cflags --libs sevenm) && ./subscriber edge.web audit
#include <iostream>

#include <sevenm.hpp>

int main(int argc, char **argv) try {
    if (argc < 2 || argc > 4) {
        std::cerr << "usage: " << argv[0] << " RING [SUBSCRIBER [POLICY]]\n";
        return 2;
    }
    sevenm::Reader reader(argv[1], argc > 2 ? argv[2] : "", argc > 3 ? argv[3] : "");
    std::uint64_t received = 0, bytes = 0;
    sevenm_why why = SEVENM_READY;
    while (why == SEVENM_READY || why == SEVENM_TIME) {
        for (auto batch = reader.read(); !batch.empty(); batch = reader.read())
            for (const auto &record : batch) {
                if (received++ == 0) std::cout << "first: seq " << record.seq << ", rule " << record.rule << "\n";
                bytes += sevenm::data(record).size();
            }
        why = reader.wait(std::chrono::seconds(1));
    }
    std::cout << received << " received, " << bytes << " bytes\n";
    return why != SEVENM_CLOSED;
} catch (const std::exception &error) {
    std::cerr << error.what() << "\n";
    return 3;
}
