// worker/tensor/pieces.h -- for the files of kernels: clones by instruction set, loops in pieces.

#ifndef AK_TENSOR_PIECES_H
#define AK_TENSOR_PIECES_H

#include <stdint.h>

// CLONES before a function: gcc picks the clone at start by the CPU; clang and sanitizer builds
// take the plain one.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) &&                             \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CLONES
#endif

// PIECES runs `call` for [lo, hi) in pieces of `size`, shared among the threads; one thread alone
// does not ask OpenMP, which would take longer than a small piece.
#define PRAGMA(text) _Pragma(#text)
#define PIECE_AT(index, total, size, call)                                                         \
    do {                                                                                           \
        int64_t lo = (index) * (size);                                                             \
        int64_t hi = lo + (size) < (total) ? lo + (size) : (total);                                \
        (void)hi;                                                                                  \
        call;                                                                                      \
    } while (0)
#define PIECES(total, size, threads, call)                                                         \
    do {                                                                                           \
        int64_t pieces_ = ((total) + (size)-1) / (size);                                           \
        if ((threads) > 1 && pieces_ > 1) {                                                        \
            PRAGMA(omp parallel for num_threads(threads))                                          \
            for (int64_t piece_ = 0; piece_ < pieces_; piece_++)                                   \
                PIECE_AT(piece_, total, size, call);                                               \
        } else {                                                                                   \
            for (int64_t piece_ = 0; piece_ < pieces_; piece_++)                                   \
                PIECE_AT(piece_, total, size, call);                                               \
        }                                                                                          \
    } while (0)

#endif
