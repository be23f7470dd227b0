// Q6_K: 256 weights in 16 groups of 16: d * sc[g] * (q - 32), sc signed bytes, q of 6 bits.
// Planes: the low nibbles of q (128 bytes), its upper two bits (64), sc (16), d (f16).
// For half h of the block and l in 0..31, with a = ql[64 h + l], b = ql[64 h + 32 + l], u = qh[32 h + l], the weights
// 128 h + l + {0, 32, 64, 96} are a & 15 | u bits 0..1, b & 15 | u bits 2..3, a >> 4 | u bits 4..5, b >> 4 | u bits 6..7,
// each with two bits more significant than the nibble.
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

void weight_block(uint b)
{
    float d[HK_ROWS];
    uvec4 sc[HK_ROWS];
    HK_EACH_ROW d[r] = hk_half(hk_tile(r).p3, r, b);
    HK_EACH_ROW sc[r] = hk_word(hk_tile(r).p2, r, b, 0u);
    [[dont_unroll]] for (uint h = 0u; h < 2u; h++) {
        [[dont_unroll]] for (uint i = 0u; i < 2u; i++) {
            uvec4 low[2 * HK_ROWS], high[HK_ROWS];
            HK_EACH_ROW {
                low[2u * r] = hk_word(hk_tile(r).p0, r, 8u * b + 4u * h + i, 0u);
                low[2u * r + 1u] = hk_word(hk_tile(r).p0, r, 8u * b + 4u * h + i, 2u);
                high[r] = hk_word(hk_tile(r).p1, r, 4u * b + 2u * h + i, 0u);
            }
            [[unroll]] for (uint n = 0u; n < 4u; n++) { // the weights from 128 h + 32 n + 16 i on
                HK_EACH_ROW {
                    uvec2 half_words = h == 0u ? sc[r].xy : sc[r].zw;
                    hk_begin(r, d[r] * float(bitfieldExtract(int(half_words[n / 2u]), int(16u * (n & 1u) + 8u * i), 8)));
                }
                [[unroll]] for (uint j = 0u; j < 4u; j++) {
                    HK_EACH_ROW {
                        uint q = low[2u * r + (n & 1u)][j] >> (n < 2u ? 0u : 4u) & 0x0F0F0F0Fu;
                        uint u = n < 2u ? high[r][j] << (4u - 2u * n) : high[r][j] >> (2u * n - 4u);
                        hk_use(r, b * 64u + h * 32u + i * 4u, n * 8u + j, hk_bytes(q | (u & 0x30303030u), 32.0));
                    }
                }
                HK_EACH_ROW hk_end(r);
            }
        }
    }
}

void weight_step(uint s)
{
    weight_block(s);
}

void weight_chunk(uint c)
{
    uint b = c / 8u, h = c / 4u & 1u, n = c & 3u;
    HK_EACH_ROW {
        float d = hk_half(hk_tile(r).p3, r, b);
        uvec4 words = hk_word(hk_tile(r).p2, r, b, 0u);
        uvec2 half_words = h == 0u ? words.xy : words.zw;
        uint sc = (n < 2u ? half_words.x : half_words.y) >> (16u * (n & 1u));
        [[unroll]] for (uint i = 0u; i < 2u; i++) {
            uvec4 q = hk_word(hk_tile(r).p0, r, 8u * b + 4u * h + 2u * (n & 1u), i) >> (n < 2u ? 0u : 4u);
            uvec4 u = hk_word(hk_tile(r).p1, r, 4u * b + 2u * h, i) >> (2u * n);
            q = (q & 0x0F0F0F0Fu) | ((u & 0x03030303u) << 4);
            hk_begin(r, d * float(bitfieldExtract(int(sc), int(8u * i), 8)));
            [[unroll]] for (uint j = 0u; j < 4u; j++)
                hk_use(r, 8u * c, 4u * i + j, hk_bytes(q[j], 32.0));
            hk_end(r);
        }
    }
}
