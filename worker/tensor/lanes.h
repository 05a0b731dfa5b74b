// worker/tensor/lanes.h -- vectors of LANES floats, for the files of one instruction set.
//
// The file says LANES before it includes this; without, it gets what any CPU has.

#ifndef AK_TENSOR_LANES_H
#define AK_TENSOR_LANES_H

#ifndef LANES
#define LANES 4
#endif

#define INLINE static inline __attribute__((always_inline))

typedef float vec __attribute__((vector_size(4 * LANES)));
typedef float loose __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

INLINE vec get(const float *at)
{
    return *(const loose *)at;
}

INLINE void put(float *at, vec v)
{
    *(loose *)at = v;
}

#endif
