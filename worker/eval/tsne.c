// worker/eval/tsne.c -- t-SNE, the exact form: every pair in every step.
//
// p_ij: how near i and j are among rows, of a Gaussian about each whose width gives it `perplexity`
// neighbours.  q_ij: the same in the plane, of w_ij = 1 / (1 + |y_i - y_j|^2), divided by Z, their
// sum.  Steps go down the gradient of KL(p || q), which is for y_i (equation 5)
//
//     4 (sum_j p_ij w_ij (y_i - y_j) - sum_j w_ij^2 (y_i - y_j) / Z).

#include "worker/eval/tsne.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "proto/base/alloc.h"

enum { STEPS = 1000, EARLY = 250, HALVINGS = 64, LANES = 8 };

static const double perplexity = 30, exaggeration = 12, start = 1e-4;
static const double sharpest = 1e6; // cosines are single: rows nearer than that are the same

typedef struct tsne {
    int64_t n;
    double *p;       // [n][n]
    double *axis[2]; // [n] each: the places,
    double *step[2]; // the last step,
    double *gain[2]; // the rates' factors,
    double *pull[2]; // sums over p, and over w, of the gradient
    double *push[2];
    double *memory;
} tsne;

// ---- p

static double squared_distance(float cosine)
{
    return fmax(0, 2 - 2 * (double)cosine);
}

// Row i's p_j|i of a Gaussian of precision beta, and its entropy.  `least` is the nearest one's
// distance, so that no sum is 0.
static double fill_row(const float *cosine, int64_t n, int64_t i, double beta, double least,
                       double *row)
{
    double sum = 0, mean = 0;

    for (int64_t j = 0; j < n; j++) {
        double far = squared_distance(cosine[j]) - least;

        row[j] = j == i ? 0 : exp(-beta * far);
        sum += row[j];
        mean += row[j] * far;
    }
    for (int64_t j = 0; j < n; j++)
        row[j] /= sum;
    return log(sum) + beta * mean / sum;
}

static void find_row(const float *cosine, int64_t n, int64_t i, double entropy, double *row)
{
    double low = 0, high = sharpest, beta = 1, least = INFINITY;

    for (int64_t j = 0; j < n; j++)
        if (j != i)
            least = fmin(least, squared_distance(cosine[j]));
    for (int turn = 0; turn < HALVINGS; turn++) {
        double over = fill_row(cosine, n, i, beta, least, row) - entropy;

        if (fabs(over) < 1e-5)
            break;
        if (over > 0)
            low = beta;
        else
            high = beta;
        beta = high < sharpest ? (low + high) / 2 : fmin(2 * beta, sharpest);
    }
}

static void find_p(tsne *t, const float *cosine)
{
    int64_t n = t->n;
    double entropy = log(fmin(perplexity, (double)(n - 1) / 3));

    for (int64_t i = 0; i < n; i++)
        find_row(cosine + i * n, n, i, entropy, t->p + i * n);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < i; j++) {
            double both = (t->p[i * n + j] + t->p[j * n + i]) / (2 * (double)n);

            t->p[i * n + j] = t->p[j * n + i] = both;
        }
}

// ---- steps

typedef struct lanes {
    double w[LANES], pull[2][LANES], push[2][LANES];
} lanes;

static inline void add_pair(const tsne *t, int64_t i, int64_t j, lanes *sum, int lane)
{
    double x = t->axis[0][i] - t->axis[0][j], y = t->axis[1][i] - t->axis[1][j];
    double w = 1 / (1 + x * x + y * y), near = t->p[i * t->n + j] * w;

    sum->w[lane] += w;
    sum->pull[0][lane] += near * x;
    sum->pull[1][lane] += near * y;
    sum->push[0][lane] += w * w * x;
    sum->push[1][lane] += w * w * y;
}

static double total(const double *lane)
{
    double sum = 0;

    for (int i = 0; i < LANES; i++)
        sum += lane[i];
    return sum;
}

// The sums of row i; returns that of w.
static double sum_row(tsne *t, int64_t i)
{
    lanes sum = { 0 };
    int64_t j = 0;

    for (; j + LANES <= t->n; j += LANES)
        for (int lane = 0; lane < LANES; lane++)
            add_pair(t, i, j + lane, &sum, lane);
    for (int lane = 0; j + lane < t->n; lane++)
        add_pair(t, i, j + lane, &sum, lane);
    for (int a = 0; a < 2; a++) {
        t->pull[a][i] = total(sum.pull[a]);
        t->push[a][i] = total(sum.push[a]);
    }
    return total(sum.w) - 1; // i itself
}

static void make_step(tsne *t, bool early)
{
    double rate = fmax((double)t->n / exaggeration / 4, 50), z = 0;

    for (int64_t i = 0; i < t->n; i++)
        z += sum_row(t, i);
    for (int a = 0; a < 2; a++)
        for (int64_t i = 0; i < t->n; i++) {
            double pull = (early ? exaggeration : 1) * t->pull[a][i];
            double slope = 4 * (pull - t->push[a][i] / z);
            double *gain = &t->gain[a][i], *step = &t->step[a][i];

            *gain = *step * slope < 0 ? *gain + 0.2 : fmax(*gain * 0.8, 0.01);
            *step = (early ? 0.5 : 0.8) * *step - rate * *gain * slope;
            t->axis[a][i] += *step;
        }
}

// ----

static double mean_of(const double *values, int64_t n)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += values[i];
    return sum / (double)n;
}

// The places, so small that all of them pull and push alike.
static void begin(tsne *t, const double *at)
{
    double squares = 0;

    for (int64_t i = 0; i < t->n; i++)
        squares += at[2 * i] * at[2 * i];
    for (int a = 0; a < 2; a++)
        for (int64_t i = 0; i < t->n; i++) {
            t->axis[a][i] = squares > 0 ? at[2 * i + a] * start / sqrt(squares / (double)t->n) : 0;
            t->gain[a][i] = 1;
        }
}

static akssl_status reserve(tsne *t, int64_t n)
{
    double **lists[] = { t->axis, t->step, t->gain, t->pull, t->push };
    double *next;

    t->n = n;
    t->memory = next = ak_try_alloc((size_t)n * ((size_t)n + 10), sizeof *t->memory);
    if (!next)
        return AKSSL_ERR_NO_MEMORY;
    t->p = next;
    next += n * n;
    for (size_t i = 0; i < 2 * sizeof lists / sizeof *lists; i++, next += n)
        lists[i / 2][i % 2] = next;
    return AKSSL_OK;
}

akssl_status ak_tsne(const float *cosine, int64_t n, double *at)
{
    tsne t = { 0 };

    if (n < 4)
        return AKSSL_OK;
    if (reserve(&t, n) != AKSSL_OK)
        return AKSSL_ERR_NO_MEMORY;
    find_p(&t, cosine);
    begin(&t, at);
    for (int step = 0; step < STEPS; step++)
        make_step(&t, step < EARLY);
    for (int a = 0; a < 2; a++) {
        double mean = mean_of(t.axis[a], n);

        for (int64_t i = 0; i < n; i++)
            at[2 * i + a] = t.axis[a][i] - mean;
    }
    free(t.memory);
    return AKSSL_OK;
}
