// F8_E4M3: 32 floats of eight bits, one f16 scale.
#include "weight/decode.glsl"

const uint QUANT_BYTES = 32u;
#include "weight/scaled32.glsl"

// The four bytes of w: exponent and mantissa where a float has them, 120 added to the exponent. Of a subnormal one that
// makes 1 + mantissa / 8 in the place of mantissa / 4. NaN's codes are 480.
vec4 e4m3(uint w)
{
    uvec4 b = uvec4(w, w >> 8, w >> 16, w >> 24);
    uvec4 bits = (b & 0x7Fu) << 20;
    vec4 v = uintBitsToFloat(bits + (120u << 23));
    v = mix(v, 2.0 * v - 0.015625, lessThan(bits, uvec4(1u << 23)));
    return uintBitsToFloat(floatBitsToUint(v) | (b & 0x80u) << 24);
}

void scaled_block(uint b, uint n, vec2 scale[HK_ROWS])
{
    HK_EACH_ROW hk_begin(r, scale[r].x);
    [[unroll]] for (uint i = 0u; i < 2u; i++) {
        uvec4 q[HK_ROWS];
        HK_EACH_ROW q[r] = hk_word(hk_tile(r).p0, r, 2u * b, 2u * n + i);
        [[unroll]] for (uint j = 0u; j < 4u; j++)
            HK_EACH_ROW hk_use(r, b * 8u, n * 8u + i * 4u + j, e4m3(q[r][j]));
    }
    HK_EACH_ROW hk_end(r);
}
