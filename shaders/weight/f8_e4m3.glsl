// F8_E4M3: 32 floats of eight bits, one f16 scale.
#include "weight/decode.glsl"

// Exponent and mantissa where a float has them, 120 added to the exponent. Of a subnormal one that makes
// 1 + mantissa / 8 in the place of mantissa / 4. NaN's codes are 480.
vec4 byte_values(uint q)
{
    uvec4 b = uvec4(q, q >> 8, q >> 16, q >> 24);
    uvec4 bits = (b & 0x7Fu) << 20;
    vec4 v = uintBitsToFloat(bits + (120u << 23));
    v = mix(v, 2.0 * v - 0.015625, lessThan(bits, uvec4(1u << 23)));
    return uintBitsToFloat(floatBitsToUint(v) | (b & 0x80u) << 24);
}

#include "weight/bytes32.glsl"
