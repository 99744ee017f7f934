/* A core with tables under full traffic while its rows are written: frames and register writes in, verdicts out.
 *
 * One idea: the two sides know nothing of each other. Frames go round and round as fast as the core takes them; writes
 * follow one another through the control port; what the rows should have said is worked out afterwards, from the
 * generation that each verdict carries.
 *
 * standard input    frames (32 bits), writes (32), percent of cycles that offer a beat and that take one (32, 32), cycles
 *                   between writes at most (32); each frame: bytes (32), then its beats; each write: address, data (32)
 * standard output   cycles (64), frames out (64), writes refused (64), cycles until the last write (64); each frame out:
 *                   number (32), generation (32), blocks (64), forward, drop, malformed, truncated, punt (32 each)
 * exit status       1 if a frame comes out changed or not at all */
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <deque>
#include <random>
#include <type_traits>
#include <vector>

#include "Vcore.h"
#include "verilated.h"

namespace {

constexpr size_t kBeat = 64;
constexpr uint64_t kAfter = 500;     // frames that are still offered after the last write
constexpr uint64_t kSilent = 100000; // cycles without a frame out that are too many

template <class Port> uint64_t low(const Port &port) {
    if constexpr (std::is_integral_v<Port>) return static_cast<uint64_t>(port);
    else return port[0] | static_cast<uint64_t>(port[1]) << 32;
}

template <class T> T take() {
    T value;
    if (std::fread(&value, sizeof value, 1, stdin) != 1) std::exit(2);
    return value;
}

struct Frame {
    uint32_t bytes;
    std::vector<uint8_t> beats;
    size_t count() const { return beats.size() / kBeat; }
    uint64_t keep(size_t beat) const {
        const size_t left = bytes - beat * kBeat;
        return left >= kBeat ? ~uint64_t{0} : (uint64_t{1} << left) - 1;
    }
};

struct Out {
    uint32_t frame, generation;
    uint64_t blocks;
    uint32_t forward, drop, malformed, truncated, punt, unused;
};

int failed(const char *what, uint64_t at) {
    std::fprintf(stderr, "%s %llu\n", what, static_cast<unsigned long long>(at));
    return 1;
}

}  // namespace

int main() {
    const uint32_t n_frames = take<uint32_t>(), n_writes = take<uint32_t>(), offers = take<uint32_t>();
    const uint32_t takes = take<uint32_t>(), gap_max = take<uint32_t>();
    std::vector<Frame> frames(n_frames);
    for (Frame &frame : frames) {
        frame.bytes = take<uint32_t>();
        frame.beats.resize((frame.bytes + kBeat - 1) / kBeat * kBeat);
        if (std::fread(frame.beats.data(), 1, frame.beats.size(), stdin) != frame.beats.size()) return 2;
    }
    std::vector<std::pair<uint32_t, uint32_t>> writes(n_writes);
    for (auto &write : writes) write = {take<uint32_t>(), take<uint32_t>()};

    std::mt19937 random(1);
    const auto happens = [&](uint32_t percent) { return percent >= 100 || random() % 100 < percent; };
    VerilatedContext context;
    Vcore core(&context);
    const auto edge = [&] { core.clk = 1; core.eval(); };
    const auto settle = [&] { core.clk = 0; core.eval(); };
    core.rst = 1;
    for (int i = 0; i < 8; ++i) { settle(); edge(); }
    core.rst = 0;

    std::deque<std::pair<uint32_t, uint32_t>> sent;  // frame, beat
    std::vector<Out> out;
    uint32_t frame = 0, beat = 0;
    uint64_t cycle = 0, last_out = 0, last_write = 0, refused = 0, extra = 0;
    size_t write = 0, gap = 0;
    bool offering = false, asking = false;
    core.s_axil_bready = 1;
    for (;; ++cycle) {
        const bool more = write < writes.size() || extra < kAfter || beat > 0;
        if (!more && sent.empty()) break;
        if (!offering && more && happens(offers)) {
            offering = true;
            std::memcpy(&core.s_axis_tdata, &frames[frame].beats[beat * kBeat], kBeat);
            core.s_axis_tkeep = frames[frame].keep(beat);
            core.s_axis_tlast = beat + 1 == frames[frame].count();
            core.s_axis_tuser_size = frames[frame].bytes;
        }
        core.s_axis_tvalid = offering;
        core.m_axis_tready = happens(takes);
        if (!asking && write < writes.size() && gap-- == 0) {
            asking = true;
            core.s_axil_awaddr = writes[write].first;
            core.s_axil_wdata = writes[write].second;
            core.s_axil_awvalid = core.s_axil_wvalid = 1;
        }
        settle();
        const bool address = core.s_axil_awvalid && core.s_axil_awready, data = core.s_axil_wvalid && core.s_axil_wready;
        const bool answer = core.s_axil_bvalid, accepted = offering && core.s_axis_tready;
        refused += answer && core.s_axil_bresp;
        if (core.m_axis_tvalid && core.m_axis_tready) {
            if (sent.empty()) return failed("a beat came out that was not sent, in cycle", cycle);
            const auto [number, part] = sent.front();
            const Frame &given = frames[number];
            const size_t bytes = part + 1 == given.count() ? given.bytes - part * kBeat : kBeat;
            if (std::memcmp(&core.m_axis_tdata, &given.beats[part * kBeat], bytes) != 0)
                return failed("changed bytes came out in cycle", cycle);
            const Out now{number, core.m_verdict_generation, low(core.m_verdict_blocks), core.m_verdict_forward,
                          core.m_verdict_drop, core.m_verdict_malformed, core.m_verdict_truncated, core.m_verdict_punt, 0};
            if (part == 0) out.push_back(now);
            else if (std::memcmp(&now, &out.back(), sizeof now) != 0)
                return failed("a verdict changed within a frame, in cycle", cycle);
            sent.pop_front();
            last_out = cycle;
        }
        edge();
        if (accepted) {
            sent.emplace_back(frame, beat);
            offering = false;
            if (++beat == frames[frame].count()) {
                beat = 0;
                frame = (frame + 1) % n_frames;
                extra += write == writes.size();
            }
        }
        if (address) core.s_axil_awvalid = 0;
        if (data) core.s_axil_wvalid = 0;
        if (answer) {
            asking = false;
            last_write = cycle;
            gap = gap_max ? random() % (gap_max + 1) : 0;
            ++write;
        }
        if (cycle - last_out > kSilent) return failed("no frame came out any more; the last in cycle", last_out);
    }
    const uint64_t head[] = {cycle, out.size(), refused, last_write};
    std::fwrite(head, sizeof head, 1, stdout);
    std::fwrite(out.data(), sizeof(Out), out.size(), stdout);
    return std::fflush(stdout) ? 2 : 0;
}
