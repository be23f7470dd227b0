// MXFP4: 32 floats of four bits, one power of two as the scale.
#include "weight/decode.glsl"
#include "weight/e2m1.glsl"

vec4 nibble_values(uint q, uint shift, uint fifth)
{
    return e2m1_twice(q >> shift);
}

#define SCALE_E8M0
#include "weight/nibbles32.glsl"
