// Q8_0: 32 signed bytes, one f16 scale.
#include "weight/decode.glsl"

vec4 byte_values(uint q)
{
    return hk_signed_bytes(q);
}

#include "weight/bytes32.glsl"
