/* What encoders search with: scales that make a group of weights lose least when they are rounded. */
#ifndef HEKLA_LOADER_WEIGHT_FIT_H
#define HEKLA_LOADER_WEIGHT_FIT_H

#include "loader/weights/codecs.h"

/* 1.5 2^23: added to a number below 2^22, it leaves an ulp of 1, so that the addition rounds to nearest even. */
#define HK_ROUNDER 12582912.0f

/* x rounded to the next whole number (even, where two are as near), within least..most; least for a NaN. */
int hk_round_within(float x, int least, int most);

/* scale and offset >= 0 such that scale * q - offset, q whole from 0 to `most`, is near w[0..n), n 8, 16, 24
 * or 32. Large errors count the more, the larger the weight is. Tries steps + 1 widths of the range of q,
 * from most
 * + first on in tenths, and takes for each the least squares' scale and offset. Scale 0 where all weights are
 * the same and not above 0. */
float hk_fit_affine(const float *w, size_t n, int most, float first, int steps, float *offset);

/* scale such that scale * level is near w[0..n), n as above; nearest() turns eight numbers into the levels
 * next to them, and `first` is the level of largest magnitude. Errors count by the square of the weight.
 * Tries to make the weight of largest magnitude first + i * step for i = -tries..tries, and -first (levels
 * need not be the same on both sides), and takes for each the least squares' scale. 0 for zeros. */
float hk_fit_levels(const float *w, size_t n, float first, float step, int tries,
                    void (*nearest)(float x[8]));

/* For hk_fit_levels: the whole numbers -half..half - 1. */
static inline void hk_nearest_whole(float x[8], float half)
{
    for (size_t k = 0; k < 8; k++) {
        float v = x[k] > -half ? x[k] : -half; /* also for a NaN */
        v = v < half - 1.0f ? v : half - 1.0f;
        x[k] = (v + HK_ROUNDER) - HK_ROUNDER;
    }
}

#endif
