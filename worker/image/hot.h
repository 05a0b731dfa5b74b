// worker/image/hot.h -- marks the loops over pixels that are worth one clone per instruction set.

#ifndef AK_IMAGE_HOT_H
#define AK_IMAGE_HOT_H

// gcc's clones are chosen when the program is loaded, before sanitizers are ready for it.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) &&                             \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define AK_HOT __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define AK_HOT
#endif

#endif
