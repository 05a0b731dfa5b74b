// worker/method/state.c -- a ring of rows, or a whole.

#include "worker/method/state.h"

#include <string.h>

void ak_state_push(ak_state *s, const float *rows, int64_t count)
{
    int64_t skip = count > s->length ? count - s->length : 0;

    for (int64_t i = 0; i < count; i++) {
        if (i >= skip)
            memcpy(s->rows + s->position * s->width, rows + i * s->width,
                   (size_t)s->width * sizeof(float));
        s->position = (s->position + 1) % s->length;
    }
    s->filled = s->filled + count < s->length ? s->filled + count : s->length;
    s->version++;
    s->pushed = rows;
    s->pushed_count = count;
}

void ak_state_replaced(ak_state *s)
{
    s->filled = s->length;
    s->version++;
}
