// Q6_K: 256 weights in 16 groups of 16: d * sc[g] * (q - 32), sc signed bytes, q of 6 bits.
// Planes: the low nibbles of q (128 bytes), its upper two bits (64), sc (16), d (f16).
// For half h of the block and l in 0..31, with a = ql[64 h + l], b = ql[64 h + 32 + l], u = qh[32 h + l], the weights
// 128 h + l + {0, 32, 64, 96} are a & 15 | u bits 0..1, b & 15 | u bits 2..3, a >> 4 | u bits 4..5, b >> 4 | u bits 6..7.
#include "weight/decode.glsl"

const uint W_BLOCK = 256u;
const uint W_STEP = 1u;

hk_row weight_row(uint tile, uint lane)
{
    hk_row row;
    row.p0 = hk_plane_row(args.w0, tile, 128u, lane);
    row.p1 = hk_plane_row(args.w1, tile, 64u, lane);
    row.p2 = hk_plane_row(args.w2, tile, 16u, lane);
    row.p3 = hk_pair_row(args.w3, tile, lane);
    return row;
}

void q6_k_group(uvec4 q, uint k4, float scale)
{
    hk_begin(scale);
    [[unroll]] for (uint j = 0u; j < 4u; j++)
        hk_use(k4 + j, hk_bytes(q[j], 32.0));
    hk_end();
}

void weight_block(hk_row row, uint lane_offset, uint b)
{
    in_uvec4 ql = in_uvec4(row.p0);
    in_uvec4 qh = in_uvec4(row.p1);
    vec2 pair = unpackHalf2x16(in_uint(row.p3).v[(b / 2u) * HK_LANES + lane_offset]);
    float d = (b & 1u) == 0u ? pair.x : pair.y;
    uvec4 sc = in_uvec4(row.p2).v[b * HK_LANES + lane_offset];
    [[unroll]] for (uint h = 0u; h < 2u; h++) {
        vec4 s0 = d * hk_signed_bytes(sc[2u * h]);
        vec4 s1 = d * hk_signed_bytes(sc[2u * h + 1u]);
        [[unroll]] for (uint i = 0u; i < 2u; i++) {
            uint k4 = b * 64u + h * 32u + i * 4u;
            uvec4 x = ql.v[(8u * b + 4u * h + i) * HK_LANES + lane_offset];
            uvec4 y = ql.v[(8u * b + 4u * h + 2u + i) * HK_LANES + lane_offset];
            uvec4 u = qh.v[(4u * b + 2u * h + i) * HK_LANES + lane_offset];
            q6_k_group((x & 0x0F0F0F0Fu) | ((u << 4) & 0x30303030u), k4, s0[i]);
            q6_k_group((y & 0x0F0F0F0Fu) | ((u << 2) & 0x30303030u), k4 + 8u, s0[2u + i]);
            q6_k_group(((x >> 4) & 0x0F0F0F0Fu) | (u & 0x30303030u), k4 + 16u, s1[i]);
            q6_k_group(((y >> 4) & 0x0F0F0F0Fu) | ((u >> 2) & 0x30303030u), k4 + 24u, s1[2u + i]);
        }
    }
}

void weight_step(hk_row row, uint lane_offset, uint s)
{
    weight_block(row, lane_offset, s);
}
