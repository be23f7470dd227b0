// Q5_1: 32 numbers of five bits, times an f16 scale plus an f16 offset.
#include "weight/decode.glsl"

vec4 nibble_values(uint q, uint shift, uint fifth)
{
    return hk_five_bits(q, shift, fifth, 0.0);
}

#define SCALE_OFFSET
#define FIFTH_BITS
#include "weight/nibbles32.glsl"
