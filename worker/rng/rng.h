// worker/rng/rng.h -- randomness as a function: Philox4x32-10 (Salmon et al. 2011, "Parallel
// random numbers: as easy as 1, 2, 3").  Nothing to save: the same words give the same numbers on
// any rank, thread or restart.

#ifndef AK_RNG_RNG_H
#define AK_RNG_RNG_H

#include <stdint.h>

// What the numbers are for; a row is never renumbered.
typedef enum ak_rng_purpose {
    AK_RNG_AUGMENT = 1, // counter: epoch, sample, view
    AK_RNG_ORDER,       // the epoch's permutation
    AK_RNG_INIT,        // initial weights: parameter's name hash, index
    AK_RNG_SHUFFLE,     // MoCo's shuffle of keys
    AK_RNG_QUEUE,       // initial queue rows
    AK_RNG_BENCH,       // ready-made views
    AK_RNG_DROP,        // drop path: step, operation, row of the global batch
} ak_rng_purpose;

// A value; draws advance it.  Key: (seed, purpose); counter: (draw, a, b, c).
typedef struct ak_rng {
    uint32_t key[2], counter[4], word[4];
    int used;
} ak_rng;

// ak_philox is the bijection itself: out = Philox4x32-10(counter, key).
void ak_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]);

// ak_rng_at starts the stream of (seed, purpose, a, b, c).  64-bit seeds are folded into the key
// together with the purpose; a, b, c take the counter's upper three words.
ak_rng ak_rng_at(uint64_t seed, ak_rng_purpose purpose, uint32_t a, uint32_t b, uint32_t c);

uint32_t ak_rng_u32(ak_rng *rng);
double ak_rng_uniform(ak_rng *rng);                          // [0, 1), 32 bits
double ak_rng_between(ak_rng *rng, double low, double high); // [low, high)
uint32_t ak_rng_below(ak_rng *rng, uint32_t n);              // 0..n-1, by multiplication
double ak_rng_normal(ak_rng *rng); // N(0,1), Box-Muller, one per two draws

// ak_rng_permute fills order with a permutation of 0..n-1 (Fisher-Yates).
void ak_rng_permute(ak_rng *rng, uint32_t *order, uint32_t n);

// ak_fnv1a64 hashes a name (for keys; never for security).
uint64_t ak_fnv1a64(const char *text);

#endif
