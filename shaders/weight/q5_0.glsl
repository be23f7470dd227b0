// Q5_0: 32 numbers of five bits minus 16, one f16 scale.
#include "weight/decode.glsl"

vec4 nibble_values(uint q, uint shift, uint fifth)
{
    return hk_five_bits(q, shift, fifth, 16.0);
}

#define FIFTH_BITS
#include "weight/nibbles32.glsl"
