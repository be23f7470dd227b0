// IQ4_NL: 32 nibbles, each the number of a value in a table, one f16 scale.
#include "weight/decode.glsl"
#include "weight/iq4.glsl"

vec4 nibble_values(uint q, uint shift, uint fifth)
{
    return iq4_values(q, shift);
}

#include "weight/nibbles32.glsl"
