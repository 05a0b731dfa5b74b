// worker/nn/positions.h -- positions that are not learned.

#ifndef AK_NN_POSITIONS_H
#define AK_NN_POSITIONS_H

#include <stdint.h>

// ak_positions_fill writes MoCo v3's 2-D sine-cosine positions (Chen et al. 2021,
// arXiv:2104.02057): pos [tokens][width], the class token's row 0 is zeros; token 1 + i of a square
// grid is in row y = i / side and column x = i mod side, and has [sin(y w) cos(y w) sin(x w) cos(x
// w)] with w_k = 10000^(-k / (width/4)), k = 0 .. width/4 - 1.
void ak_positions_fill(float *pos, int64_t tokens, int64_t width);

#endif
