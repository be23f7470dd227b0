/* Scales by least squares over a few candidate roundings. */
#include "weight_fit.h"

#include <math.h>

int hk_round_within(float x, int least, int most)
{
    if (!(x > (float)least)) return least; /* also NaN */
    if (x >= (float)most) return most;
    /* 1.5 2^23 + x has an ulp of 1: the addition rounds to nearest even */
    return (int)((x + 12582912.0f) - 12582912.0f);
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

/* The sums that depend on the rounding w -> q = round((w - least) inverse). */
static void sum_rounded(const float *w, const float *count, size_t n, float least, float inverse, int most,
                        struct sums *s)
{
    s->q = s->qq = s->qx = 0.0;
    for (size_t i = 0; i < n; i++) {
        double q = hk_round_within((w[i] - least) * inverse, 0, most), cq = (double)count[i] * q;
        s->q += cq;
        s->qq += cq * q;
        s->qx += cq * (double)w[i];
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
    sum_rounded(w, count, n, least, (float)most / range, most, &s);
    double best = error_of(&s, (double)best_scale, -(double)least);
    for (int i = 0; i <= steps; i++) {
        sum_rounded(w, count, n, -*offset, ((float)most + first + 0.1f * (float)i) / range, most, &s);
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

float hk_fit_levels(const float *w, size_t n, float first, float step, int tries, int (*nearest)(float x))
{
    float extreme = 0.0f;
    for (size_t i = 0; i < n; i++)
        if (fabsf(w[i]) > fabsf(extreme)) extreme = w[i];
    if (fabsf(extreme) < 1e-15f) return 0.0f;
    double best = 0.0, best_scale = 0.0;
    for (int t = -tries; t <= tries + 1; t++) {
        /* and once with the signs turned round */
        float inverse = (t > tries ? -first : first + (float)t * step) / extreme;
        double qx = 0.0, qq = 0.0;
        for (size_t i = 0; i < n; i++) {
            double q = nearest(w[i] * inverse), cq = (double)w[i] * (double)w[i] * q;
            qx += cq * (double)w[i];
            qq += cq * q;
        }
        /* sum c (scale q - x)^2 is least for scale = qx / qq, by qx^2 / qq less than for 0 */
        if (qq > 0.0 && qx * qx > best * qq) {
            best = qx * qx / qq;
            best_scale = qx / qq;
        }
    }
    return (float)best_scale;
}
