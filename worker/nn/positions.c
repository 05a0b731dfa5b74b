// worker/nn/positions.c -- positions that are not learned.

#include "worker/nn/positions.h"

#include <math.h>
#include <string.h>

void ak_positions_fill(float *pos, int64_t tokens, int64_t width)
{
    int64_t side = llround(sqrt((double)(tokens - 1))), quarter = width / 4;

    memset(pos, 0, (size_t)(tokens * width) * sizeof *pos);
    for (int64_t i = 0; i < tokens - 1; i++) {
        float *row = pos + (1 + i) * width;

        for (int64_t k = 0; k < quarter; k++) {
            double omega = pow(10000, -(double)k / (double)quarter);
            double y = (double)(i / side) * omega, x = (double)(i % side) * omega;

            row[k] = (float)sin(y);
            row[quarter + k] = (float)cos(y);
            row[2 * quarter + k] = (float)sin(x);
            row[3 * quarter + k] = (float)cos(x);
        }
    }
}
