// worker/rng/rng.c -- Philox4x32-10 and the draws made of it.

#include "worker/rng/rng.h"

#include <math.h>
#include <string.h>

enum { ROUNDS = 10, WORDS = 4 };

void ak_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2])
{
    uint32_t x[WORDS] = { counter[0], counter[1], counter[2], counter[3] };
    uint32_t k0 = key[0], k1 = key[1];

    for (int round = 0; round < ROUNDS; round++) {
        uint64_t a = (uint64_t)0xD2511F53u * x[0], b = (uint64_t)0xCD9E8D57u * x[2];

        x[0] = (uint32_t)(b >> 32) ^ x[1] ^ k0;
        x[2] = (uint32_t)(a >> 32) ^ x[3] ^ k1;
        x[1] = (uint32_t)b;
        x[3] = (uint32_t)a;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    memcpy(out, x, sizeof x);
}

// One-to-one in x, so that two seeds of one purpose never share a key.
static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

ak_rng ak_rng_at(uint64_t seed, ak_rng_purpose purpose, uint32_t a, uint32_t b, uint32_t c)
{
    uint64_t key = mix(seed + (uint64_t)purpose * 0x9E3779B97F4A7C15u);

    return (ak_rng){
        .key = { (uint32_t)key, (uint32_t)(key >> 32) },
        .counter = { 0, a, b, c },
        .used = WORDS,
    };
}

uint32_t ak_rng_u32(ak_rng *rng)
{
    if (rng->used == WORDS) {
        ak_philox(rng->word, rng->counter, rng->key);
        rng->counter[0]++;
        rng->used = 0;
    }
    return rng->word[rng->used++];
}

double ak_rng_uniform(ak_rng *rng)
{
    return ak_rng_u32(rng) * 0x1p-32;
}

double ak_rng_between(ak_rng *rng, double low, double high)
{
    double value = low + (high - low) * ak_rng_uniform(rng);

    return value < high || low >= high ? value : low; // the sum may round up to high
}

uint32_t ak_rng_below(ak_rng *rng, uint32_t n)
{
    return (uint32_t)(((uint64_t)ak_rng_u32(rng) * n) >> 32);
}

double ak_rng_normal(ak_rng *rng)
{
    static const double two_pi = 6.283185307179586476925;
    double u = (ak_rng_u32(rng) + 1.0) * 0x1p-32; // (0, 1]: the logarithm is finite
    double v = ak_rng_uniform(rng);

    return sqrt(-2 * log(u)) * cos(two_pi * v);
}

void ak_rng_permute(ak_rng *rng, uint32_t *order, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        order[i] = i;
    for (uint32_t left = n; left > 1; left--) {
        uint32_t j = ak_rng_below(rng, left), swap = order[left - 1];

        order[left - 1] = order[j];
        order[j] = swap;
    }
}

uint64_t ak_fnv1a64(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (; *text; text++)
        hash = (hash ^ (uint8_t)*text) * 0x100000001b3u;
    return hash;
}
