// Q4_K: groups of 32 nibbles with a scale and an offset each.
#include "weight/decode.glsl"
#include "weight/six_bit.glsl"
