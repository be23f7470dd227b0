// Q5_K: groups of 32 numbers of five bits with a scale and an offset each.
#include "weight/decode.glsl"
#define FIFTH_BITS
#include "weight/six_bit.glsl"
