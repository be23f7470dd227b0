// The table of IQ4_NL and IQ4_XS: -127 -104 -83 -65 -49 -35 -22 -10 1 13 25 38 53 69 89 113. A polynomial of degree 4 in
// i - 8 is less than 0.44 away from each, so rounding gives them exactly, in five operations and without a load.
vec4 iq4_values(uint q, uint shift)
{
    vec4 t = shift == 0u ? hk_low_nibbles(q, 8.0) : hk_high_nibbles(q, 8.0);
    vec4 p = fma(t, vec4(0.001586), vec4(0.08184));
    p = fma(fma(p, t, vec4(-0.01681)), t, vec4(11.44));
    return roundEven(fma(p, t, vec4(1.433)));
}
