// worker/train/watch.c -- signs of collapse.

#include "worker/train/watch.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/alloc.h"

// LAPACK (in OpenBLAS): eigenvalues of a symmetric matrix.
extern void dsyev_(const char *job, const char *part, const int *n, double *a, const int *lda,
                   double *values, double *work, const int *size, int *info);

// ---- figures

// Row r of the health's rows with length 1.
static void unit_row(const ak_health *h, int64_t r, double *out)
{
    const float *x = h->rows + r * h->width;
    double sum = 0;

    for (int64_t i = 0; i < h->width; i++)
        sum += (double)x[i] * (double)x[i];
    for (int64_t i = 0; i < h->width; i++)
        out[i] = (double)x[i] / fmax(sqrt(sum), 1e-12);
}

static double embedding_std(const ak_health *h)
{
    double *room = ak_alloc((size_t)h->width * 3, sizeof *room), total = 0;
    double *row = room, *sum = room + h->width, *squares = sum + h->width;

    for (int64_t r = 0; r < h->count; r++) {
        unit_row(h, r, row);
        for (int64_t i = 0; i < h->width; i++) {
            sum[i] += row[i];
            squares[i] += row[i] * row[i];
        }
    }
    for (int64_t i = 0; i < h->width; i++) {
        double n = (double)h->count, var = (squares[i] - sum[i] * sum[i] / n) / fmax(n - 1, 1);

        total += sqrt(fmax(var, 0));
    }
    free(room);
    return total / (double)h->width;
}

static double entropy_rank(const double *values, int n)
{
    double sum = 0, entropy = 0;

    for (int i = 0; i < n; i++)
        sum += fmax(values[i], 0);
    for (int i = 0; i < n && sum > 0; i++)
        if (values[i] > 0)
            entropy -= values[i] / sum * log(values[i] / sum);
    return sum > 0 ? exp(entropy) : 0;
}

// The covariance of n rows has the eigenvalues of their centred Gram matrix.
static double effective_rank(const ak_health *h)
{
    int n = h->count < AK_WATCH_ROWS ? (int)h->count : AK_WATCH_ROWS, info = 0;
    int size = 3 * AK_WATCH_ROWS;
    double gram[AK_WATCH_ROWS * AK_WATCH_ROWS], values[AK_WATCH_ROWS], work[3 * AK_WATCH_ROWS];
    double *rows = ak_alloc((size_t)n * (size_t)h->width, sizeof *rows);

    for (int r = 0; r < n; r++)
        unit_row(h, r * h->count / n, rows + r * h->width);
    for (int64_t i = 0; i < h->width; i++) {
        double mean = 0;

        for (int r = 0; r < n; r++)
            mean += rows[r * h->width + i] / n;
        for (int r = 0; r < n; r++)
            rows[r * h->width + i] -= mean;
    }
    for (int a = 0; a < n; a++)
        for (int b = 0; b <= a; b++) {
            double sum = 0;

            for (int64_t i = 0; i < h->width; i++)
                sum += rows[a * h->width + i] * rows[b * h->width + i];
            gram[a * n + b] = gram[b * n + a] = sum;
        }
    free(rows);
    dsyev_("N", "U", &n, gram, &n, values, work, &size, &info);
    return info == 0 ? entropy_rank(values, n) : (double)NAN;
}

static int put(ak_gauge out[AK_METHOD_GAUGES], int count, const char *name, double value)
{
    if (count == AK_METHOD_GAUGES || isnan(value))
        return count;
    out[count] = (ak_gauge){ name, value };
    return count + 1;
}

int ak_watch_gauges(const ak_health *h, ak_gauge out[AK_METHOD_GAUGES], int count)
{
    if (h->rows) {
        count = put(out, count, "embedding_std", embedding_std(h));
        count = put(out, count, "effective_rank", effective_rank(h));
    }
    count = put(out, count, "teacher_entropy", h->teacher_entropy);
    return put(out, count, "prototype_usage", h->prototype_usage);
}

// ---- verdict

// Where images are assigned to prototypes, the assignments tell: embeddings that are still close
// together at the start part later.
enum { POINT, LINE, STUCK, ONE_PROTOTYPE, EVEN, SIGNS };

enum { LINE_WIDTH = 8, LINE_ROWS = 4 }; // two rows always lie on one line

static const double point = 0.02; // of 1/sqrt(width)
static const double line = 1.13;  // directions, of at least LINE_WIDTH; see below
static const double stuck = 1e-4; // of the stuck loss, or absolute below 1
static const double few = 1.5;    // prototypes in use
static const double even = 1e-3;  // of the greatest entropy

// Runs that learn come near a line at their start: the lowest mean of 20 steps is 1.19 in MoCo v2
// and 1.31 in SimSiam (Adam 1e-3 without warm-up, ResNet-18, 6 and 7 seeds; PyTorch's do the same).
// SimSiam without its stop-gradient stays at 1.07 to 1.09.

static double value_of(const ak_gauge *gauges, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (strcmp(gauges[i].name, name) == 0)
            return gauges[i].value;
    return (double)NAN;
}

// NAN where it tells nothing.
static double rank_of(const ak_health *h, const ak_gauge *gauges, int count)
{
    bool tells = h->prototypes == 0 && h->width >= LINE_WIDTH && h->count >= LINE_ROWS;

    return tells ? value_of(gauges, count, "effective_rank") : (double)NAN;
}

static bool sign(int which, const ak_health *h, const ak_gauge *gauges, int count, double loss)
{
    double most = h->prototypes > 0 ? log((double)h->prototypes) : 0;

    switch (which) {
    case POINT: // comparisons with NAN are false
        return h->prototypes == 0 &&
               value_of(gauges, count, "embedding_std") * sqrt((double)h->width) < point;
    case LINE:
        return rank_of(h, gauges, count) < line;
    case STUCK:
        return fabs(loss - h->stuck_loss) < stuck * fmax(h->stuck_loss, 1);
    case ONE_PROTOTYPE:
        return h->prototypes > 0 && h->prototype_usage * (double)h->prototypes < few;
    default:
        return h->prototypes > 1 && h->teacher_entropy > (1 - even) * most;
    }
}

static double mean_rank(const ak_watch *w)
{
    double sum = 0;

    for (int i = 0; i < AK_WATCH_PATIENCE; i++)
        sum += w->ranks[i];
    return sum / AK_WATCH_PATIENCE;
}

static void say(ak_watch *w, int which, const ak_health *h, const ak_gauge *gauges, int count,
                double loss)
{
    char *out = w->sentence;

    switch (which) {
    case POINT:
        snprintf(out, AK_WATCH_SENTENCE,
                 "collapse: the embeddings have become one point (standard deviation %.2g, healthy "
                 "is about %.2g)",
                 value_of(gauges, count, "embedding_std"), 1 / sqrt((double)h->width));
        break;
    case LINE:
        snprintf(out, AK_WATCH_SENTENCE,
                 "collapse: the embeddings lie on one line (effective rank %.3g of %lld)",
                 mean_rank(w), (long long)h->width);
        break;
    case STUCK:
        snprintf(out, AK_WATCH_SENTENCE,
                 "collapse: the loss stands at ln of the number of outputs (%.6g)", loss);
        break;
    case ONE_PROTOTYPE:
        snprintf(out, AK_WATCH_SENTENCE,
                 "collapse: all images go to one prototype (%.3g of %lld in use)",
                 h->prototype_usage * (double)h->prototypes, (long long)h->prototypes);
        break;
    default:
        snprintf(out, AK_WATCH_SENTENCE,
                 "collapse: the teacher tells no images apart (its entropy is the greatest, %.6g)",
                 h->teacher_entropy);
    }
}

bool ak_watch_suspects(const ak_watch *w)
{
    for (int i = 0; i < SIGNS; i++)
        if (w->row[i])
            return true;
    return false;
}

static bool stands(const ak_watch *w, int which)
{
    if (which != LINE)
        return w->row[which] >= AK_WATCH_PATIENCE;
    return w->seen >= AK_WATCH_PATIENCE && mean_rank(w) < line;
}

bool ak_watch_see(ak_watch *w, const ak_health *h, const ak_gauge *gauges, int count, double loss)
{
    w->ranks[w->seen++ % AK_WATCH_PATIENCE] = rank_of(h, gauges, count);
    for (int i = 0; i < SIGNS; i++) {
        w->row[i] = sign(i, h, gauges, count, loss) ? w->row[i] + 1 : 0;
        if (w->noticed || !stands(w, i))
            continue;
        w->noticed = true;
        say(w, i, h, gauges, count, loss);
        return true;
    }
    return false;
}

// ---- in a commit

static const char told[] = "told";

void ak_watch_print(const ak_watch *w, ak_str *text)
{
    if (w->noticed) {
        ak_str_append(text, told);
        return;
    }
    ak_str_format(text, "%" PRId64, w->seen);
    for (int i = 0; i < SIGNS; i++)
        ak_str_format(text, " %d", w->row[i]);
    for (int i = 0; i < AK_WATCH_PATIENCE; i++)
        ak_str_format(text, " %.6g", w->ranks[i]); // not those digits that CPUs differ in
}

bool ak_watch_parse(ak_watch *w, const char *text)
{
    const char *at = text ? text : "";
    ak_watch read = { 0 };
    int used = 0;
    bool whole = sscanf(at, "%" SCNd64 "%n", &read.seen, &used) == 1 && read.seen >= 0;

    for (int i = 0; i < SIGNS && whole; i++) {
        at += used;
        whole = sscanf(at, "%d%n", &read.row[i], &used) == 1;
    }
    for (int i = 0; i < AK_WATCH_PATIENCE && whole; i++) {
        at += used;
        whole = sscanf(at, "%lf%n", &read.ranks[i], &used) == 1;
    }
    *w = whole ? read : (ak_watch){ 0 };
    return !text || strcmp(text, told) != 0;
}
