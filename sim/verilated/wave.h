// What all signals of the model do around one event, as an FST file; nothing in a model that was built without. One cycle is
// one nanosecond of the file, and rises in its middle.
#ifndef SM_WAVE_H
#define SM_WAVE_H

#include <cstdint>
#include <string>

#include "Vcore.h"
#include "verilated.h"

#if VM_TRACE_FST
#include "verilated_fst_c.h"

class Wave {
  public:
    Wave(VerilatedContext &context, Vcore &top) {
        context.traceEverOn(true);
        top.trace(&file_, kLevels);
    }

    // The event by its number in the next call; whether this model can.
    bool ask(const char *path, uint64_t event) {
        path_ = path;
        event_ = event;
        after_ = 0;
        return true;
    }

    // Once a cycle: `in` events were offered whole, `out` have left.
    void follow(uint64_t in, uint64_t out) {
        if (path_.empty()) return;
        if (!file_.isOpen()) {
            if (in + kBefore >= event_) file_.open(path_.c_str());
        } else if (out > event_ && ++after_ > kAfter) {
            close();
        }
    }

    void dump(uint64_t half_cycle) {
        if (file_.isOpen()) file_.dump(half_cycle * kHalf);
    }

    void close() {
        if (file_.isOpen()) file_.close();
        path_.clear();
    }

  private:
    static constexpr int kLevels = 99;
    static constexpr uint64_t kBefore = 2;  // events
    static constexpr uint64_t kAfter = 8;   // cycles
    static constexpr uint64_t kHalf = 500;  // picoseconds

    VerilatedFstC file_;
    std::string path_;
    uint64_t event_ = 0, after_ = 0;
};

#else

class Wave {
  public:
    Wave(VerilatedContext &, Vcore &) {}
    bool ask(const char *, uint64_t) { return false; }
    void follow(uint64_t, uint64_t) {}
    void dump(uint64_t) {}
    void close() {}
};

#endif
#endif
