// What every kernel needs: device addresses as uvec2 and typed views of memory at them.
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_buffer_reference_uvec2 : require
#extension GL_EXT_control_flow_attributes : require

#include "args.h"

layout(buffer_reference, std430, buffer_reference_align = 16) readonly buffer in_uvec4 { uvec4 v[]; };
layout(buffer_reference, std430, buffer_reference_align = 16) readonly buffer in_vec4 { vec4 v[]; };
layout(buffer_reference, std430, buffer_reference_align = 4) readonly buffer in_uint { uint v[]; };
layout(buffer_reference, std430, buffer_reference_align = 4) readonly buffer in_float { float v[]; };
layout(buffer_reference, std430, buffer_reference_align = 16) buffer io_uvec4 { uvec4 v[]; };
layout(buffer_reference, std430, buffer_reference_align = 16) buffer io_vec4 { vec4 v[]; };
layout(buffer_reference, std430, buffer_reference_align = 4) buffer io_uint { uint v[]; };
layout(buffer_reference, std430, buffer_reference_align = 4) buffer io_float { float v[]; };

// base + bytes
uvec2 hk_at(uvec2 base, uint bytes)
{
    uint lo = base.x + bytes;
    return uvec2(lo, base.y + (lo < bytes ? 1u : 0u));
}

// base + n * bytes, where the product may need 64 bits
uvec2 hk_at(uvec2 base, uint n, uint bytes)
{
    uint hi, lo;
    umulExtended(n, bytes, hi, lo);
    uvec2 a = hk_at(base, lo);
    return uvec2(a.x, a.y + hi);
}

bool hk_given(uvec2 address)
{
    return (address.x | address.y) != 0u;
}

// The number at `address`, or `otherwise` where there is none. A driver may make both sides of a choice (lavapipe 26
// does, of a load that all lanes share), so the load must be of memory in either case: `valid` is any that is.
float hk_number(uvec2 address, float otherwise, uvec2 valid)
{
    bool given = hk_given(address);
    float number = in_float(given ? address : valid).v[0];
    return given ? number : otherwise;
}
