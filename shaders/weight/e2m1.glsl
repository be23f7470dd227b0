// Floats of four bits: a sign, two bits of exponent, one of mantissa: 0 0.5 1 1.5 2 3 4 6. Twice the values of the low
// nibbles of q's bytes: with the three bits as exponent and mantissa of an f32, in which 128 is added to the exponent, they
// are 2 3 4 6 8 12 16 24. Half of that is right but for the first two, subnormal in E2M1, which are to be 0 and 1: x - 2,
// less than half there alone.
vec4 e2m1_twice(uint q)
{
    vec4 x = uintBitsToFloat((uvec4(q << 22, q << 14, q << 6, q >> 2) & (7u << 22)) | (128u << 23));
    uvec4 sign = uvec4(q << 28, q << 20, q << 12, q << 4) & 0x80000000u;
    return uintBitsToFloat(floatBitsToUint(min(0.5 * x, x - 2.0)) | sign);
}
