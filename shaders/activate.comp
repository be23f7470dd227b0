// dst = f(x) * y, or f(x) where there is no y. FUNCTION is enum hk_activation. Groups: x over columns, y = tokens.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

HK_PUSH(activate_args);

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint FUNCTION = 0u;

// tanh without the overflow that some drivers' has: 1 - 2 / (e^2x + 1) tends to 1 and -1.
float safe_tanh(float x)
{
    return 1.0 - 2.0 / (exp(2.0 * x) + 1.0);
}

// Abramowitz & Stegun 7.1.26: |error| <= 1.5e-7
float erf(float x)
{
    float t = 1.0 / (1.0 + 0.3275911 * abs(x));
    float poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
    return sign(x) * (1.0 - poly * exp(-x * x));
}

float f(float x)
{
    if (FUNCTION == 0u) return x / (1.0 + exp(-x));
    if (FUNCTION == 1u) return 0.5 * x * (1.0 + safe_tanh(0.7978845608 * (x + 0.044715 * x * x * x)));
    if (FUNCTION == 2u) return 0.5 * x * (1.0 + erf(x * 0.7071067812));
    return max(x, 0.0);
}

void main()
{
    uint i = gl_GlobalInvocationID.x, t = gl_WorkGroupID.y;
    if (i >= args.cols) return;
    float value = f(in_float(hk_at(args.x, t, args.x_ld * 4u)).v[i]);
    if (hk_given(args.y)) value *= in_float(hk_at(args.y, t, args.y_ld * 4u)).v[i];
    io_float(hk_at(args.dst, t, args.dst_ld * 4u)).v[i] = value;
}
