// BF16: the upper half of an f32.
#include "weight/decode.glsl"

vec4 half_weights(uint a, uint b)
{
    return uintBitsToFloat(uvec4(a << 16, a & 0xFFFF0000u, b << 16, b & 0xFFFF0000u));
}

#include "weight/halves.glsl"
