// sevenm.h for C++17: a reader that closes itself, and batches to iterate over.
#pragma once

#include <chrono>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "sevenm.h"

namespace sevenm {

// Records that lie one after the other, until the reader's next call.
class Batch {
public:
    class iterator {
    public:
        iterator(const sevenm_reader *reader, const sevenm_record *at) : reader_(reader), at_(at) {}
        const sevenm_record &operator*() const { return *at_; }
        const sevenm_record *operator->() const { return at_; }
        iterator &operator++() { at_ = sevenm_next(reader_, at_); return *this; }
        bool operator!=(const iterator &other) const { return at_ != other.at_; }
    private:
        const sevenm_reader *reader_;
        const sevenm_record *at_;
    };

    Batch(const sevenm_reader *reader, const sevenm_record *first, std::uint32_t size)
        : reader_(reader), first_(first), size_(size) {}
    std::uint32_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    iterator begin() const { return {reader_, first_}; }
    iterator end() const {
        const char *const last = reinterpret_cast<const char *>(first_) + std::size_t{size_} * sevenm_slot_size(reader_);
        return {reader_, reinterpret_cast<const sevenm_record *>(last)};
    }

private:
    const sevenm_reader *reader_;
    const sevenm_record *first_;
    std::uint32_t size_;
};

inline std::string_view data(const sevenm_record &record) {
    return {static_cast<const char *>(sevenm_data(&record)), record.cap_len};
}

class Reader {
public:
    // Throws std::runtime_error with what happened and what to do. An empty policy: as before.
    explicit Reader(const std::string &ring, const std::string &subscriber = "", const std::string &policy = "") {
        char error[SEVENM_ERROR];
        if (sevenm_open(ring.c_str(), subscriber.c_str(), policy.empty() ? nullptr : policy.c_str(), &reader_, error) != 0)
            throw std::runtime_error(error);
    }
    ~Reader() { sevenm_close(reader_); }
    Reader(Reader &&other) noexcept : reader_(std::exchange(other.reader_, nullptr)) {}
    Reader &operator=(Reader &&other) noexcept { std::swap(reader_, other.reader_); return *this; }
    Reader(const Reader &) = delete;
    Reader &operator=(const Reader &) = delete;

    Batch read() {
        const sevenm_record *first = nullptr;
        const std::uint32_t n = sevenm_read(reader_, &first);
        return {reader_, first, n};
    }
    sevenm_why wait(std::chrono::microseconds timeout) {
        return sevenm_wait(reader_, static_cast<std::uint64_t>(timeout.count()));
    }

private:
    sevenm_reader *reader_ = nullptr;
};

}  // namespace sevenm
