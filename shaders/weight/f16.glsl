// F16.
#include "weight/decode.glsl"

vec4 half_weights(uint a, uint b)
{
    return vec4(unpackHalf2x16(a), unpackHalf2x16(b));
}

#include "weight/halves.glsl"
