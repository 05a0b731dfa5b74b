// worker/eval/lbfgs.c -- L-BFGS with a memory of a few steps.
//
//     p = -H g, by the two loops over (s, y) = (change of x, change of g) of the last MEMORY steps
//     x += t p, t = 1, 1/2, 1/4, ... until f(x + t p) <= f(x) + 1e-4 t g'p

#include "worker/eval/lbfgs.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"

enum { MEMORY = 10, PAIRS = MEMORY + 1, HALVINGS = 20 };

typedef struct search {
    int64_t n;
    double *s[PAIRS], *y[PAIRS], rho[PAIRS]; // a ring: the last MEMORY, and a place for the next
    int count;                               // of pairs seen
    double *g, *p, *next_x, *next_g;
} search;

static akssl_status reserve(search *b)
{
    size_t n = (size_t)b->n;
    bool ok = true;

    for (int i = 0; i < PAIRS; i++) {
        b->s[i] = ak_try_alloc(n, sizeof(double));
        b->y[i] = ak_try_alloc(n, sizeof(double));
        ok = ok && b->s[i] && b->y[i];
    }
    b->g = ak_try_alloc(n, sizeof(double));
    b->p = ak_try_alloc(n, sizeof(double));
    b->next_x = ak_try_alloc(n, sizeof(double));
    b->next_g = ak_try_alloc(n, sizeof(double));
    return ok && b->g && b->p && b->next_x && b->next_g ? AKSSL_OK : AKSSL_ERR_NO_MEMORY;
}

static void release(search *b)
{
    for (int i = 0; i < PAIRS; i++) {
        free(b->s[i]);
        free(b->y[i]);
    }
    free(b->g);
    free(b->p);
    free(b->next_x);
    free(b->next_g);
}

static double dot(const double *a, const double *b, int64_t n)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static void add(double *a, double factor, const double *b, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        a[i] += factor * b[i];
}

static double largest(const double *a, int64_t n)
{
    double most = 0;

    for (int64_t i = 0; i < n; i++)
        most = fmax(most, fabs(a[i]));
    return most;
}

// p = -H g; without a memory a step of length 1 at most.
static void find_direction(search *b)
{
    int held = b->count < MEMORY ? b->count : MEMORY;
    double alpha[PAIRS], scale = 1 / fmax(1, sqrt(dot(b->g, b->g, b->n)));

    for (int64_t i = 0; i < b->n; i++)
        b->p[i] = -b->g[i];
    for (int k = 1; k <= held; k++) {
        int at = (b->count - k) % PAIRS;

        alpha[at] = b->rho[at] * dot(b->s[at], b->p, b->n);
        add(b->p, -alpha[at], b->y[at], b->n);
        if (k == 1)
            scale = 1 / (b->rho[at] * dot(b->y[at], b->y[at], b->n));
    }
    for (int64_t i = 0; i < b->n; i++)
        b->p[i] *= scale;
    for (int k = held; k >= 1; k--) {
        int at = (b->count - k) % PAIRS;

        add(b->p, alpha[at] - b->rho[at] * dot(b->y[at], b->p, b->n), b->s[at], b->n);
    }
}

static void remember(search *b, const double *x)
{
    int at = b->count % PAIRS; // not in use
    double curvature;

    for (int64_t i = 0; i < b->n; i++) {
        b->s[at][i] = b->next_x[i] - x[i];
        b->y[at][i] = b->next_g[i] - b->g[i];
    }
    curvature = dot(b->s[at], b->y[at], b->n);
    if (curvature > 1e-12 * dot(b->y[at], b->y[at], b->n)) {
        b->rho[at] = 1 / curvature;
        b->count++;
    }
}

// Moves x along p; false when the value falls nowhere.
static bool descend(search *b, double *x, double *value, ak_lbfgs_function function, void *ctx)
{
    double slope = dot(b->g, b->p, b->n), t = 1;

    for (int i = 0; i < HALVINGS && slope < 0; i++, t /= 2) {
        double next;

        memcpy(b->next_x, x, (size_t)b->n * sizeof *x);
        add(b->next_x, t, b->p, b->n);
        next = function(ctx, b->next_x, b->next_g);
        if (!(next <= *value + 1e-4 * t * slope))
            continue;
        remember(b, x);
        memcpy(x, b->next_x, (size_t)b->n * sizeof *x);
        memcpy(b->g, b->next_g, (size_t)b->n * sizeof *x);
        *value = next;
        return true;
    }
    return false;
}

akssl_status ak_lbfgs_minimize(double *x, int64_t n, ak_lbfgs_function function, void *ctx,
                               double enough, int most, ak_lbfgs *out)
{
    search b = { .n = n };
    akssl_status rc = reserve(&b);

    if (rc == AKSSL_OK) {
        *out = (ak_lbfgs){ .value = function(ctx, x, b.g) };
        while (largest(b.g, n) > enough && out->iterations < most) {
            find_direction(&b);
            if (!descend(&b, x, &out->value, function, ctx))
                break;
            out->iterations++;
        }
        out->slope = largest(b.g, n);
    }
    release(&b);
    return rc;
}
