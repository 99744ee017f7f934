// Clocks the Verilated core and checks every packet that leaves it. The C ABI is stated in harness.h.
//
// bench.v puts a register before every input: what is written to a port here is seen by the core after the next edge,
// and until it is written again it tells what the core sees now. A cycle is two evaluations; a loop without the one at
// clk = 0 shows the model no edge at all.

#include "harness.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <type_traits>
#include <vector>

#include "Vcore.h"
#include "verilated.h"
#include "wave.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tdata is copied as bytes");
static_assert(SM_N_CHANNELS <= 64, "a channel mask has 64 bits");

namespace {

constexpr uint32_t kBeat = SM_BEAT_BYTES;
constexpr uint64_t kKeep = ~uint64_t{0} >> (64 - kBeat);  // tkeep of a whole beat
constexpr uint32_t kCapMax = 256 * 1024;
constexpr uint32_t kWord = 32;  // rules in one word of a block where all count
constexpr uint32_t kWords = 2;  // such words in a verdict
constexpr uint64_t kBlockWords = (SM_BLOCKS_BITS + 63) / 64;
constexpr uint64_t kAll = ~uint64_t{0};

// 64-bit word i of a port, whatever type its width gave it.
template <class Port>
uint64_t word(const Port &port, size_t i) {
    if constexpr (std::is_integral_v<Port>) {
        return i == 0 ? static_cast<uint64_t>(port) : 0;
    } else {
        constexpr size_t halves = sizeof(Port) / sizeof(EData);
        const uint64_t low = 2 * i < halves ? port[2 * i] : 0;
        const uint64_t high = 2 * i + 1 < halves ? port[2 * i + 1] : 0;
        return low | high << 32;
    }
}

struct Verdict {
    uint64_t blocks[kBlockWords];
    uint64_t channels;
    uint16_t forward;
    uint8_t drop, malformed, truncated, punt;

    uint64_t bits(uint32_t at, uint32_t width) const {  // at most 57 of them
        uint64_t out = 0;
        for (uint32_t i = 0; i < width; ++i) out |= (blocks[(at + i) / 64] >> (at + i) % 64 & 1) << i;
        return out;
    }
};

uint32_t bit_length(uint32_t value) { return value ? 32 - __builtin_clz(value) : 0; }

// Calls fired(rule) for each rule of the block that the verdict names, in ascending order.
template <class Fired>
void decode(const Verdict &verdict, const sm_rtl_block &block, Fired fired) {
    const auto word = [&](uint64_t bits, uint64_t rule) {
        for (; bits; bits &= bits - 1) fired(rule + __builtin_ctzll(bits));
    };
    if (!block.all) {
        if (const uint64_t index = verdict.bits(block.at, bit_length(block.rules))) fired(block.first_rule + index - 1);
    } else if (block.rules <= kWord) {
        word(verdict.bits(block.at, block.rules), block.first_rule);
    } else {
        const uint32_t number = bit_length((block.rules - 1) / kWord);
        for (uint32_t i = 0, at = block.at; i < kWords; ++i, at += 1 + number + kWord)
            if (verdict.bits(at, 1))
                word(verdict.bits(at + 1 + number, kWord), block.first_rule + kWord * verdict.bits(at + 1, number));
    }
}

// Beats of an event: a zero-byte one still takes one.
uint32_t beats_of(const sm_event &event) { return event.cap_len ? (event.cap_len + kBeat - 1) / kBeat : 1; }

uint64_t keep_of(const sm_event &event, uint32_t beat) {
    const uint32_t left = event.cap_len - beat * kBeat;
    return left >= kBeat ? kKeep : (uint64_t{1} << left) - 1;
}

uint16_t size_of(const sm_event &event) { return event.wire_len > 0xFFFF ? 0xFFFF : uint16_t(event.wire_len); }

// Goes through the core as tuser_dst and ties an output packet to its event.
uint16_t tag_of(uint64_t event) { return uint16_t(event * 40503u >> 3); }

class Random {  // xorshift64*
  public:
    explicit Random(uint64_t seed) : state_(seed * 2 + 1) {}
    bool percent(uint32_t chance) {
        if (chance >= 100) return true;
        state_ ^= state_ >> 12;
        state_ ^= state_ << 25;
        state_ ^= state_ >> 27;
        return (state_ * 2685821657736338717ull >> 33) % 100 < chance;
    }

  private:
    uint64_t state_;
};

struct Fatal {
    std::string text;
};

}  // namespace

// What Verilator's runtime would end the process for.
void vl_fatal(const char *, int, const char *, const char *message) { throw Fatal{message}; }

const sm_rtl_info sm_rtl_about = {SM_RTL_ABI, SM_BLOCKS_BITS, SM_N_CHANNELS, kCapMax};

struct sm_rtl_model {
    VerilatedContext context;
    Vcore top{&context, "core"};
    Wave wave{context, top};
    sm_rtl_counters sum{};
    std::vector<uint64_t> accepted;  // cycle in which the first beat of each event of the call was accepted
    std::vector<sm_fired> fired;     // entries of the call's chunks
    std::vector<uint64_t> lanes;     // for each rule the events of the present chunk that it fired on
    std::vector<uint32_t> touched;   // rules with such events
    char text[256] = "";
    uint64_t culprit = 0;
    uint16_t source = 1;
    bool dirty = true;

    void clock() {
        top.clk = 0;
        top.eval();
        wave.dump(2 * sum.cycles);
        top.clk = 1;
        top.eval();
        wave.dump(2 * sum.cycles + 1);
        ++sum.cycles;
    }

    void reset() {
        top.s_axis_tvalid = 0;
        top.m_axis_tready = 0;
        for (int level = 1; level >= 0; --level) {
            top.rst = level;
            for (int i = 0; i < 3; ++i) clock();
        }
        dirty = false;
    }

    __attribute__((format(printf, 3, 4))) int fail(uint64_t event, const char *format, ...) {
        va_list args;
        va_start(args, format);
        std::vsnprintf(text, sizeof text, format, args);
        va_end(args);
        culprit = event;
        return 1;
    }

    void offer(const uint8_t *buffer, const sm_event &event, uint64_t number, uint32_t beat, uint32_t beats) {
        const uint32_t at = beat * kBeat;
        const uint32_t left = event.cap_len - at;
        auto *data = reinterpret_cast<uint8_t *>(&top.s_axis_tdata);
        if (left >= kBeat) {
            std::memcpy(data, buffer + event.offset + at, kBeat);
        } else {
            // Bytes past the end are whatever a wire last held: ones, so that a core that reads them shows it.
            std::memset(data, 0xFF, kBeat);
            if (left) std::memcpy(data, buffer + event.offset + at, left);
        }
        top.s_axis_tkeep = keep_of(event, beat);
        top.s_axis_tlast = beat + 1 == beats;
        // The core samples the sidebands on the first beat; on the others they are wrong, so that a later look shows.
        const uint64_t flip = beat ? kAll : 0;
        top.s_axis_tuser_size = uint16_t(size_of(event) ^ flip);
        top.s_axis_tuser_src = uint16_t(source ^ flip);
        top.s_axis_tuser_dst = uint16_t(tag_of(number) ^ flip);
        top.s_axis_tuser_ts = event.ts_ns ^ flip;
        top.s_axis_tvalid = 1;
    }

    void read(Verdict &out) const {
        for (size_t i = 0; i < kBlockWords; ++i) out.blocks[i] = word(top.m_verdict_blocks, i);
        out.channels = word(top.m_verdict_channels, 0);
        out.forward = top.m_verdict_forward;
        out.drop = top.m_verdict_drop;
        out.malformed = top.m_verdict_malformed;
        out.truncated = top.m_verdict_truncated;
        out.punt = top.m_verdict_punt;
    }

    bool same(const Verdict &verdict) const {
        for (size_t i = 0; i < kBlockWords; ++i)
            if (verdict.blocks[i] != word(top.m_verdict_blocks, i)) return false;
        return verdict.channels == word(top.m_verdict_channels, 0) && verdict.forward == top.m_verdict_forward &&
               verdict.drop == top.m_verdict_drop && verdict.malformed == top.m_verdict_malformed &&
               verdict.truncated == top.m_verdict_truncated && verdict.punt == top.m_verdict_punt;
    }

    // The output beat that is on the port now, against the input it has to be.
    int check(const uint8_t *buffer, const sm_event &event, uint64_t number, uint32_t beat, uint32_t beats) {
        const uint64_t keep = keep_of(event, beat);
        if (top.m_axis_tkeep != keep)
            return fail(number, "beat %u left with tkeep %016llx, not %016llx", beat,
                        static_cast<unsigned long long>(top.m_axis_tkeep), static_cast<unsigned long long>(keep));
        const uint32_t at = beat * kBeat;
        const uint32_t count = event.cap_len - at < kBeat ? event.cap_len - at : kBeat;
        const auto *data = reinterpret_cast<const uint8_t *>(&top.m_axis_tdata);
        if (count && std::memcmp(data, buffer + event.offset + at, count) != 0) {
            uint32_t byte = 0;
            while (data[byte] == buffer[event.offset + at + byte]) ++byte;
            return fail(number, "byte %u left as %02x, not %02x", at + byte, data[byte], buffer[event.offset + at + byte]);
        }
        if (bool(top.m_axis_tlast) != (beat + 1 == beats))
            return fail(number, "beat %u of %u left with tlast %u", beat, beats, unsigned(top.m_axis_tlast));
        if (top.m_axis_tuser_size != size_of(event) || top.m_axis_tuser_src != source ||
            top.m_axis_tuser_dst != tag_of(number) || top.m_axis_tuser_ts != event.ts_ns)
            return fail(number, "beat %u left with other sidebands: size %u src %u dst %u ts %llu", beat,
                        unsigned(top.m_axis_tuser_size), unsigned(top.m_axis_tuser_src),
                        unsigned(top.m_axis_tuser_dst), static_cast<unsigned long long>(top.m_axis_tuser_ts));
        return 0;
    }

    // What the verdict of event number i of its chunk adds to the chunk.
    int note(const Verdict &verdict, uint64_t number, const sm_rtl_block *blocks, uint64_t n_blocks, sm_chunk &chunk) {
        const uint64_t bit = uint64_t{1} << number % SM_CHUNK;
        if (verdict.punt) {
            chunk.punt |= bit;
            return 0;
        }
        if (verdict.malformed) chunk.malformed |= bit;
        if (verdict.truncated) chunk.truncated |= bit;
        for (uint64_t b = 0; b < n_blocks; ++b) {
            bool known = true;
            decode(verdict, blocks[b], [&](uint64_t rule) {
                if (rule >= blocks[b].first_rule + uint64_t{blocks[b].rules}) {
                    known = false;
                } else {
                    if (!lanes[rule]) touched.push_back(uint32_t(rule));
                    lanes[rule] |= bit;
                }
            });
            if (!known) return fail(number, "block %u names a rule that it does not have", unsigned(b));
        }
        return 0;
    }

    void finish(sm_chunk &chunk) {
        std::sort(touched.begin(), touched.end());
        for (const uint32_t rule : touched) {
            fired.push_back(sm_fired{lanes[rule], rule, 0});
            lanes[rule] = 0;
        }
        chunk.fired = uint32_t(touched.size());
        touched.clear();
    }

    int process(const uint8_t *buffer, const sm_event *events, uint64_t n, const sm_rtl_drive &drive,
                const sm_rtl_block *blocks, uint64_t n_blocks, sm_chunk *chunks, uint8_t *drop, uint16_t *forward,
                uint64_t *channels) {
        const bool steady = drive.valid_percent >= 100 && drive.ready_percent >= 100;
        std::memset(chunks, 0, (n + SM_CHUNK - 1) / SM_CHUNK * sizeof *chunks);
        uint64_t rules = 0;
        for (uint64_t b = 0; b < n_blocks; ++b) rules = std::max<uint64_t>(rules, blocks[b].first_rule + blocks[b].rules);
        fired.clear();
        touched.clear();
        lanes.assign(rules, 0);
        accepted.resize(n);
        if (dirty) reset();
        dirty = true;
        source = uint16_t(1u << drive.source % 16);
        Random gaps(drive.seed), stops(~drive.seed);
        Verdict verdict{};
        uint64_t in = 0, out = 0;                 // events: next to offer, next to receive
        uint32_t in_beat = 0, out_beat = 0;       // beats of them
        uint32_t in_beats = n ? beats_of(events[0]) : 0;
        uint32_t out_beats = in_beats;
        uint64_t silent = 0;                      // cycles since the last output beat
        uint64_t idle = sum.latency_cycles + 2;   // cycles after the last packet in which nothing may follow
        bool waiting = false;                     // an output beat was valid and not taken
        top.s_axis_tvalid = 0;
        while (out < n || idle--) {
            wave.follow(in, out);
            const bool offered = top.s_axis_tvalid;
            const bool taken_in = offered && top.s_axis_tready;
            if (offered && !taken_in) ++sum.stalls;
            if (taken_in && in_beat == 0) accepted[in] = sum.cycles;
            if (waiting && !top.m_axis_tvalid) return fail(out, "tvalid fell before tready took beat %u", out_beat);
            waiting = top.m_axis_tvalid && !top.m_axis_tready;
            if (top.m_axis_tvalid && top.m_axis_tready) {
                if (out >= n || out > in || (out == in && out_beat >= in_beat + taken_in))
                    return fail(out, "beat %u left before it came in", out_beat);
                if (check(buffer, events[out], out, out_beat, out_beats)) return 1;
                if (out_beat == 0) {
                    read(verdict);
                    if (steady) {
                        const uint64_t latency = sum.cycles - accepted[out];
                        if (sum.latency_cycles && latency != sum.latency_cycles)
                            return fail(out, "latency is %llu cycles, and was %llu for the packets before",
                                        static_cast<unsigned long long>(latency),
                                        static_cast<unsigned long long>(sum.latency_cycles));
                        sum.latency_cycles = latency;
                    }
                } else if (!same(verdict)) {
                    return fail(out, "verdict changes in beat %u of %u", out_beat, out_beats);
                }
                ++sum.beats;
                silent = 0;
                if (++out_beat == out_beats) {
                    sm_chunk &chunk = chunks[out / SM_CHUNK];
                    if (note(verdict, out, blocks, n_blocks, chunk)) return 1;
                    if (out % SM_CHUNK == SM_CHUNK - 1 || out + 1 == n) finish(chunk);
                    drop[out] = verdict.drop;
                    forward[out] = verdict.forward;
                    channels[out] = verdict.channels;
                    ++sum.packets;
                    ++out;
                    out_beat = 0;
                    if (out < n) out_beats = beats_of(events[out]);
                    else idle = sum.latency_cycles + 2;
                }
            } else if (out < n && ++silent > drive.watchdog_cycles) {
                return fail(out, "nothing left the core for %llu cycles, beat %u is owed",
                            static_cast<unsigned long long>(drive.watchdog_cycles), out_beat);
            }
            if (taken_in) {
                top.s_axis_tvalid = 0;
                if (++in_beat == in_beats) {
                    in_beat = 0;
                    if (++in < n) in_beats = beats_of(events[in]);
                }
            }
            if (!top.s_axis_tvalid && in < n && gaps.percent(drive.valid_percent))
                offer(buffer, events[in], in, in_beat, in_beats);
            top.m_axis_tready = stops.percent(drive.ready_percent);
            clock();
        }
        dirty = false;
        return 0;
    }
};

sm_rtl_model *sm_rtl_open(void) {
    try {
        auto model = std::make_unique<sm_rtl_model>();
        model->reset();
        model->sum = {};
        return model.release();
    } catch (...) {
        return nullptr;
    }
}

void sm_rtl_close(sm_rtl_model *model) {
    if (model) model->top.final();
    delete model;
}

int sm_rtl_process(sm_rtl_model *model, const uint8_t *buffer, const sm_event *events, uint64_t n,
                   const sm_rtl_drive *drive, const sm_rtl_block *blocks, uint64_t n_blocks, sm_chunk *chunks,
                   uint8_t *drop, uint16_t *forward, uint64_t *channels, uint64_t *event) {
    int failed;
    try {
        failed = model->process(buffer, events, n, *drive, blocks, n_blocks, chunks, drop, forward, channels);
    } catch (const Fatal &fatal) {
        failed = model->fail(n, "the simulation stopped: %s", fatal.text.c_str());
    } catch (const std::bad_alloc &) {
        failed = model->fail(n, "no memory for %llu events", static_cast<unsigned long long>(n));
    }
    model->wave.close();
    *event = failed ? model->culprit : n;
    return failed;
}

int sm_rtl_wave(sm_rtl_model *model, const char *path, uint64_t event) {
    return model->wave.ask(path, event) ? 0 : model->fail(event, "the model was built without waves");
}

int sm_rtl_coverage(sm_rtl_model *model, [[maybe_unused]] const char *path) {
#if VM_COVERAGE
    model->context.coveragep()->write(path);
    return 0;
#else
    return model->fail(0, "the model was built without coverage");
#endif
}

const sm_fired *sm_rtl_fired(const sm_rtl_model *model, uint64_t *count) {
    *count = model->fired.size();
    return model->fired.data();
}

const char *sm_rtl_error(const sm_rtl_model *model) { return model->text; }

void sm_rtl_count(const sm_rtl_model *model, sm_rtl_counters *out) { *out = model->sum; }
