/* Scales by least squares over a few candidate roundings. */
#include "loader/weights/fit.h"

#include <math.h>

int hk_round_within(float x, int least, int most)
{
    if (!(x > (float)least)) return least; /* also NaN */
    if (x >= (float)most) return most;
    return (int)((x + HK_ROUNDER) - HK_ROUNDER);
}

/* Sums over a group, weighted: of the weights' squares and so on. */
struct sums {
    double c, x, xx, q, qq, qx;
};

/* sum c (scale q - offset - x)^2 */
static double error_of(const struct sums *s, double scale, double offset)
{
    return scale * scale * s->qq + offset * offset * s->c + s->xx - 2.0 * scale * offset * s->q -
           2.0 * scale * s->qx + 2.0 * offset * s->x;
}

/* The sums that depend on the rounding w -> q = round((w - least) inverse) within 0..most. n is a multiple of
 * 8: eight at a time, in loops that compilers make vectors of. */
static void sum_rounded(const float *w, const float *count, size_t n, float least, float inverse, float most,
                        struct sums *s)
{
    float sq[8] = {0}, sqq[8] = {0}, sqx[8] = {0};
    for (size_t i = 0; i < n; i += 8) {
        for (size_t k = 0; k < 8; k++) {
            float v = (w[i + k] - least) * inverse;
            v = v > 0.0f ? v : 0.0f; /* also for a NaN */
            v = v < most ? v : most;
            float q = (v + HK_ROUNDER) - HK_ROUNDER, cq = count[i + k] * q;
            sq[k] += cq;
            sqq[k] += cq * q;
            sqx[k] += cq * w[i + k];
        }
    }
    s->q = s->qq = s->qx = 0.0;
    for (size_t k = 0; k < 8; k++) {
        s->q += (double)sq[k];
        s->qq += (double)sqq[k];
        s->qx += (double)sqx[k];
    }
}

float hk_fit_affine(const float *w, size_t n, int most, float first, int steps, float *offset)
{
    float least = 0.0f, largest = w[0], count[32];
    double squares = 0.0;
    for (size_t i = 0; i < n; i++) {
        least = w[i] < least ? w[i] : least;
        largest = w[i] > largest ? w[i] : largest;
        squares += (double)w[i] * (double)w[i];
    }
    *offset = -least;
    if (!(largest > least)) return 0.0f;
    struct sums s = {0};
    float usual = (float)sqrt(squares / (double)n);
    for (size_t i = 0; i < n; i++) {
        count[i] = usual + fabsf(w[i]);
        s.c += (double)count[i];
        s.x += (double)count[i] * (double)w[i];
        s.xx += (double)count[i] * (double)w[i] * (double)w[i];
    }
    float range = largest - least, best_scale = range / (float)most;
    sum_rounded(w, count, n, least, (float)most / range, (float)most, &s);
    double best = error_of(&s, (double)best_scale, -(double)least);
    for (int i = 0; i <= steps; i++) {
        sum_rounded(w, count, n, -*offset, ((float)most + first + 0.1f * (float)i) / range, (float)most, &s);
        double det = s.c * s.qq - s.q * s.q;
        if (!(det > 0.0)) continue;
        double scale = (s.c * s.qx - s.q * s.x) / det, shift = (s.q * s.qx - s.qq * s.x) / det;
        if (shift < 0.0) {
            shift = 0.0;
            scale = s.qx / s.qq;
        }
        double error = error_of(&s, scale, shift);
        if (error < best) {
            best = error;
            best_scale = (float)scale;
            *offset = (float)shift;
        }
    }
    return best_scale;
}

/* qq = sum c q^2 and qx = sum c q x for q = nearest(x inverse), c = x^2. */
static void sum_levels(const float *w, size_t n, float inverse, void (*nearest)(float x[8]), double *qq,
                       double *qx)
{
    float sqq[8] = {0}, sqx[8] = {0}, q[8];
    for (size_t i = 0; i < n; i += 8) {
        for (size_t k = 0; k < 8; k++) q[k] = w[i + k] * inverse;
        nearest(q);
        for (size_t k = 0; k < 8; k++) {
            float cq = w[i + k] * w[i + k] * q[k];
            sqq[k] += cq * q[k];
            sqx[k] += cq * w[i + k];
        }
    }
    *qq = *qx = 0.0;
    for (size_t k = 0; k < 8; k++) {
        *qq += (double)sqq[k];
        *qx += (double)sqx[k];
    }
}

float hk_fit_levels(const float *w, size_t n, float first, float step, int tries, void (*nearest)(float x[8]))
{
    float extreme = 0.0f;
    for (size_t i = 0; i < n; i++)
        if (fabsf(w[i]) > fabsf(extreme)) extreme = w[i];
    if (fabsf(extreme) < 1e-15f) return 0.0f;
    double best = 0.0, best_scale = 0.0;
    for (int t = -tries; t <= tries + 1; t++) {
        /* and once with the signs turned round */
        float inverse = (t > tries ? -first : first + (float)t * step) / extreme;
        double qx, qq;
        sum_levels(w, n, inverse, nearest, &qq, &qx);
        /* sum c (scale q - x)^2 is least for scale = qx / qq, by qx^2 / qq less than for 0 */
        if (qq > 0.0 && qx * qx > best * qq) {
            best = qx * qx / qq;
            best_scale = qx / qq;
        }
    }
    return (float)best_scale;
}
