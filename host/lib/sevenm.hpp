// sevenm.h for C++17: readers and a writer that close themselves, and batches to iterate over.
//
//     sevenm::Reader reader("edge.web", "audit", "drop_oldest");
//     for (const sevenm_record &record : reader.read()) use(record, sevenm::data(record));
//
//     sevenm::Writer writer("feed", {});
//     auto slots = writer.reserve(16);
//     for (std::uint32_t i = 0; i < slots.size(); i++) slots.event<Sample>(i, sevenm_now()) = sample;
//     writer.commit(slots.size());
//
// Constructors throw std::runtime_error with what happened and what to do. Units and ownership are those of sevenm.h.
#pragma once

#include <chrono>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "sevenm.h"

namespace sevenm {

// Slots that lie one after the other, `step` bytes apart, seen as T, until the reader's next call.
template <class T> class Events {
public:
    class iterator {
    public:
        iterator(const char *at, std::uint32_t step) : at_(at), step_(step) {}
        const T &operator*() const { return *reinterpret_cast<const T *>(at_); }
        const T *operator->() const { return reinterpret_cast<const T *>(at_); }
        iterator &operator++() { at_ += step_; return *this; }
        bool operator==(const iterator &other) const { return at_ == other.at_; }
        bool operator!=(const iterator &other) const { return at_ != other.at_; }
    private:
        const char *at_;
        std::uint32_t step_;
    };

    Events(const void *first, std::uint32_t size, std::uint32_t step)
        : first_(static_cast<const char *>(first)), size_(size), step_(step) {}
    std::uint32_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    const T &operator[](std::uint32_t i) const { return *iterator(first_ + std::size_t{i} * step_, step_); }
    iterator begin() const { return {first_, step_}; }
    iterator end() const { return {first_ + std::size_t{size_} * step_, step_}; }

private:
    const char *first_;
    std::uint32_t size_, step_;
};

using Batch = Events<sevenm_record>;

inline std::string_view data(const sevenm_record &record) {
    return {static_cast<const char *>(sevenm_data(&record)), record.cap_len};
}

// What both kinds of readers have.
class ReaderBase {
public:
    sevenm_why wait(std::chrono::microseconds timeout) {
        return sevenm_wait(reader_, static_cast<std::uint64_t>(timeout.count()));
    }

protected:
    ReaderBase(const std::string &ring, const std::string &subscriber, const std::string &policy, bool bare,
               std::uint64_t layout_hash) {
        char error[SEVENM_ERROR];
        const char *const way = policy.empty() ? nullptr : policy.c_str();
        if (sevenm_open_as(ring.c_str(), subscriber.c_str(), way, bare, layout_hash, &reader_, error) != 0)
            throw std::runtime_error(error);
    }
    ~ReaderBase() { sevenm_close(reader_); }
    ReaderBase(ReaderBase &&other) noexcept : reader_(std::exchange(other.reader_, nullptr)) {}
    ReaderBase &operator=(ReaderBase &&other) noexcept { std::swap(reader_, other.reader_); return *this; }
    ReaderBase(const ReaderBase &) = delete;
    ReaderBase &operator=(const ReaderBase &) = delete;

    sevenm_reader *reader_ = nullptr;
};

// A subscriber of a ring of records. An empty policy: as before. layout_hash 0: whatever the ring carries.
class Reader : public ReaderBase {
public:
    explicit Reader(const std::string &ring, const std::string &subscriber = "", const std::string &policy = "",
                    std::uint64_t layout_hash = 0)
        : ReaderBase(ring, subscriber, policy, false, layout_hash) {}
    Batch read() {
        const sevenm_record *first = nullptr;
        const std::uint32_t n = sevenm_read(reader_, &first);
        return {first, n, sevenm_slot_size(reader_)};
    }
};

// A subscriber of a ring of bare slots, each of which begins with a T.
template <class T> class EventReader : public ReaderBase {
    static_assert(std::is_trivially_copyable_v<T>, "events are plain bytes");

public:
    explicit EventReader(const std::string &ring, const std::string &subscriber = "", const std::string &policy = "",
                         std::uint64_t layout_hash = 0)
        : ReaderBase(ring, subscriber, policy, true, layout_hash) {
        if (sizeof(T) > sevenm_slot_size(reader_)) throw std::runtime_error("ring " + ring + ": its slots are smaller than the event");
    }
    Events<T> read() {
        const void *first = nullptr;
        const std::uint32_t n = sevenm_read_bare(reader_, &first);
        return {first, n, sevenm_slot_size(reader_)};
    }
};

// Reserved slots of a writer, until its next call.
class Slots {
public:
    Slots(const sevenm_writer *writer, std::uint32_t size) : writer_(writer), size_(size) {}
    std::uint32_t size() const { return size_; }
    bool empty() const { return size_ == 0; }

    // The place for an event of this type, with its header written. Throws std::out_of_range for a slot that is not
    // reserved or too small.
    template <class T> T &event(std::uint32_t i, std::uint64_t ts_ns) const {
        static_assert(std::is_trivially_copyable_v<T>, "events are plain bytes");
        return *static_cast<T *>(checked(sevenm_event(writer_, i, ts_ns, sizeof(T))));
    }
    // The same for so many bytes.
    void *event(std::uint32_t i, std::uint64_t ts_ns, std::uint32_t length) const {
        return checked(sevenm_event(writer_, i, ts_ns, length));
    }
    // The whole slot, of which the caller writes all but seq.
    sevenm_record &record(std::uint32_t i) const { return *static_cast<sevenm_record *>(checked(sevenm_slot(writer_, i))); }

private:
    static void *checked(void *slot) {
        if (!slot) throw std::out_of_range("the slot is not reserved, or smaller than the event");
        return slot;
    }
    const sevenm_writer *writer_;
    std::uint32_t size_;
};

// The producer of a ring.
class Writer {
public:
    explicit Writer(const std::string &ring, const sevenm_shape &shape = {}) {
        char error[SEVENM_ERROR];
        if (sevenm_create(ring.c_str(), &shape, &writer_, error) != 0) throw std::runtime_error(error);
    }
    ~Writer() { sevenm_writer_close(writer_); }
    Writer(Writer &&other) noexcept : writer_(std::exchange(other.writer_, nullptr)) {}
    Writer &operator=(Writer &&other) noexcept { std::swap(writer_, other.writer_); return *this; }
    Writer(const Writer &) = delete;
    Writer &operator=(const Writer &) = delete;

    Slots reserve(std::uint32_t n) {
        const std::uint32_t granted = sevenm_reserve(writer_, n);
        return {writer_, granted};
    }
    // Throws std::out_of_range if fewer are reserved.
    void commit(std::uint32_t n) {
        if (sevenm_commit(writer_, n) != 0) throw std::out_of_range("more slots are committed than are reserved");
    }
    std::uint64_t write(const void *records, std::uint64_t n) { return sevenm_write(writer_, records, n); }
    void beat() { sevenm_beat(writer_); }
    // Throws std::invalid_argument for other than 64 lower-case hexadecimal digits.
    void set_digest(const std::string &digest) {
        if (sevenm_set_digest(writer_, digest.c_str()) != 0) throw std::invalid_argument("a digest is 64 lower-case hexadecimal digits");
    }
    std::vector<sevenm_subscriber> subscribers() const {
        std::vector<sevenm_subscriber> out(16);
        out.resize(sevenm_subscribers(writer_, out.data(), 16));
        return out;
    }

private:
    sevenm_writer *writer_ = nullptr;
};

}  // namespace sevenm
