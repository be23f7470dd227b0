// Q4_0: 32 nibbles minus 8, one f16 scale.
#include "weight/decode.glsl"

vec4 nibble_values(uint q, uint shift, uint fifth)
{
    return shift == 0u ? hk_low_nibbles(q, 8.0) : hk_high_nibbles(q, 8.0);
}

#include "weight/nibbles32.glsl"
