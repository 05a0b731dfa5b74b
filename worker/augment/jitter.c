// worker/augment/jitter.c -- brightness, contrast, saturation and hue, in random order.
//
//     brightness, contrast, saturation:  x <- clamp(f x + (1 - f) other)
//         other = 0, the mean of the gray image, the gray image
//     hue:  RGB -> HSV, H <- H + turns (mod 1), HSV -> RGB

#include <math.h>

#include "worker/augment/augment.h"
#include "worker/image/hot.h"

enum { LANES = 16 };

static inline float clamp(float v)
{
    v = v > 0 ? v : 0;
    return v < 1 ? v : 1;
}

static inline float gray(float r, float g, float b)
{
    return 0.2989f * r + 0.587f * g + 0.114f * b;
}

AK_HOT static void blend(float *v, float factor, float rest, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        v[i] = clamp(v[i] * factor + rest);
}

AK_HOT static void saturate(float *restrict r, float *restrict g, float *restrict b, float factor,
                            int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        float rest = (1 - factor) * gray(r[i], g[i], b[i]);

        r[i] = clamp(r[i] * factor + rest);
        g[i] = clamp(g[i] * factor + rest);
        b[i] = clamp(b[i] * factor + rest);
    }
}

// A sum in fixed lanes, so that its order is the same on every machine.
AK_HOT static double gray_sum(const float *restrict r, const float *restrict g,
                              const float *restrict b, int64_t n)
{
    float lane[LANES] = { 0 };
    double sum = 0;
    int64_t i = 0;

    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++)
            lane[k] += gray(r[i + k], g[i + k], b[i + k]);
    for (; i < n; i++)
        sum += (double)gray(r[i], g[i], b[i]);
    for (int k = 0; k < LANES; k++)
        sum += (double)lane[k];
    return sum;
}

// Channel n (5, 3, 1) of HSV, with h in sixths: v - v s max(0, min(k, 4 - k, 1)), k = n + h mod 6.
static inline float channel(float n, float h, float vs, float v)
{
    float k = n + h, other;

    k = k >= 6 ? k - 6 : k;
    other = 4 - k;
    k = k < other ? k : other;
    return v - vs * clamp(k);
}

AK_HOT static void turn_hue(float *restrict red, float *restrict green, float *restrict blue,
                            float sixths, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        float r = red[i], g = green[i], b = blue[i];
        float high = r > g ? r : g, low = r < g ? r : g, range, scale, h, hg, hb;

        high = high > b ? high : b;
        low = low < b ? low : b;
        range = high - low; // saturation times value
        scale = 1 / (range > 0 ? range : 1);
        h = (g - b) * scale;
        hg = 2 + (b - r) * scale;
        hb = 4 + (r - g) * scale;
        h = high == r ? h : high == g ? hg : hb;
        h += sixths;
        h = h < 0 ? h + 6 : h;
        h = h >= 6 ? h - 6 : h;
        red[i] = channel(5, h, range, high);
        green[i] = channel(3, h, range, high);
        blue[i] = channel(1, h, range, high);
    }
}

void ak_brightness(ak_canvas *x, float factor)
{
    for (int c = 0; c < 3; c++)
        blend(x->plane[c], factor, 0, x->height * x->width);
}

void ak_contrast(ak_canvas *x, float factor)
{
    int64_t n = x->height * x->width;
    float mean = (float)(gray_sum(x->plane[0], x->plane[1], x->plane[2], n) / (double)n);

    for (int c = 0; c < 3; c++)
        blend(x->plane[c], factor, (1 - factor) * mean, n);
}

void ak_saturation(ak_canvas *x, float factor)
{
    saturate(x->plane[0], x->plane[1], x->plane[2], factor, x->height * x->width);
}

void ak_hue(ak_canvas *x, float turns)
{
    turn_hue(x->plane[0], x->plane[1], x->plane[2], 6 * turns, x->height * x->width);
}

static float factor(ak_rng *rng, double strength)
{
    return (float)ak_rng_between(rng, fmax(0, 1 - strength), 1 + strength);
}

static void apply(const void *self, ak_rng *rng, ak_canvas *x)
{
    const ak_jitter *s = self;
    uint32_t order[4];
    float brightness, contrast, saturation, turns;

    ak_rng_permute(rng, order, 4);
    brightness = factor(rng, s->brightness);
    contrast = factor(rng, s->contrast);
    saturation = factor(rng, s->saturation);
    turns = (float)ak_rng_between(rng, -s->hue, s->hue);
    for (int i = 0; i < 4; i++) {
        if (order[i] == 0 && s->brightness > 0)
            ak_brightness(x, brightness);
        else if (order[i] == 1 && s->contrast > 0)
            ak_contrast(x, contrast);
        else if (order[i] == 2 && s->saturation > 0)
            ak_saturation(x, saturation);
        else if (order[i] == 3 && s->hue > 0)
            ak_hue(x, turns);
    }
}

const ak_augment ak_augment_jitter = {
    .name = "jitter",
    .title = "brightness, contrast, saturation and hue, in random order",
    .self_size = sizeof(ak_jitter),
    .apply = apply,
};
