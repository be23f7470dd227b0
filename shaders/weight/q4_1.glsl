// Q4_1: 32 nibbles, times an f16 scale plus an f16 offset.
#include "weight/decode.glsl"

vec4 nibble_values(uint q, uint shift, uint fifth)
{
    return shift == 0u ? hk_low_nibbles(q, 0.0) : hk_high_nibbles(q, 0.0);
}

#define SCALE_OFFSET
#include "weight/nibbles32.glsl"
