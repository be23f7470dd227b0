// y[t][row] = (accumulate ? y[t][row] : 0) + bias[row] + scale * sum_k W[row][k] x[t][k] for many tokens, by cooperative
// matrices of f16 with f32 sums, as exact as f32 multiply-adds.
//
// A number v becomes hi + lo, hi = the first 11 bits of s v, lo = f16(s v - hi), s a power of two: 22 bits are kept.
// w x = (hi hi' + hi lo' + lo hi') / (s s'); lo lo' is below the last bit. F16 and BF16 weights have no lo.
//
// s is one for all weights of the workgroup and one for all its x, chosen by what has been seen so far: where a chunk's
// largest value times s would leave f16's range, s is lowered, the sums with it, and the chunk is taken again. The
// first chunk that is not all zeros sets it so. So no finite value overflows, whatever its size, and a value keeps its
// 22 bits down to 2^-14 of the largest.
//
// A workgroup makes ROWS rows x TOKENS tokens, 32 columns at a time: the first ROWS lanes decode a row each, the others
// (all, where there are no others) fetch x. The products belong to SHARES subgroups. How many subgroups there are is up
// to the driver: where there are fewer than shares, the whole is done several times over, a share for each at a time.
// Groups: x = ceil(rows / ROWS), y = ceil(n_tokens / TOKENS).
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#include "common.glsl"

HK_PUSH(matvec_args);

layout(local_size_x_id = 0) in; // at least ROWS
layout(constant_id = 1) const uint TILES = 2u; // of 32 rows
layout(constant_id = 2) const uint TOKENS = 64u;
layout(constant_id = 3) const uint M = 16u; // what the device multiplies: (M, K) of W by (K, N) of x
layout(constant_id = 4) const uint N = 16u;
layout(constant_id = 5) const uint K = 16u; // a divisor of 32
layout(constant_id = 6) const uint SHARE_M = 2u; // a subgroup's share, in such matrices
layout(constant_id = 7) const uint SHARE_N = 2u;

const uint HK_ROWS = 1u;
const bool HK_INDEXED = true;
#include "weight.glsl"
#include "store.glsl"

#if defined(WEIGHT_F16) || defined(WEIGHT_BF16)
const bool HAS_LOW = false; // times a power of two they are f16 numbers
#else
const bool HAS_LOW = true;
#endif

const uint LANES = gl_WorkGroupSize.x;
const uint COLUMNS = 32u;
const uint ROWS = TILES * HK_LANES;
const uint SHARES_N = TOKENS / (N * SHARE_N);
const uint SHARES = ROWS / (M * SHARE_M) * SHARES_N;

// [row or token][column / 4]: 40 halves from row to row, so that neighbours fall into different banks.
const uint LD = COLUMNS / 4u + 2u;
shared f16vec4 w_high[ROWS * LD];
shared f16vec4 w_low[HAS_LOW ? ROWS * LD : 1u];
shared f16vec4 x_high[TOKENS * LD];
shared f16vec4 x_low[TOKENS * LD];
shared float result[SHARES * M * N]; // [share][token][row]
// Bits of the largest weight and x that were out of range. Rounds take turns with the two: one is cleared while the
// other is in use.
shared uint too_large[2u * 2u];

const float RANGE = 32768.0;             // below f16's largest number, 65504
const int FIRST = 120, LAST = -116;      // exponents of the scales
const int HEADROOM = 11;                 // a scaled maximum is below 2^(HEADROOM + 1)
int w_exponent, x_exponent;              // of s and s'

// 2^e; 0 below f32's range
float power_of_two(int e)
{
    return e < -126 ? 0.0 : uintBitsToFloat(uint(e + 127) << 23);
}

// Those that f16 has. By their bits, as a compiler may take f32(f16(v)) for v, and lo would be 0.
vec4 first_bits(vec4 v)
{
    return uintBitsToFloat(floatBitsToUint(v) & 0xffffe000u);
}

float largest(vec4 v)
{
    v = abs(v);
    return max(max(v.x, v.y), max(v.z, v.w));
}

// Tells the workgroup about a value that the scale is too large for.
void check(uint slot, float value, int exponent)
{
    if (value * power_of_two(exponent) >= RANGE && exponent > LAST) atomicMax(too_large[slot], floatBitsToUint(value));
}

int lowered(int exponent, uint bits)
{
    return bits == 0u ? exponent : clamp(HEADROOM - (int(bits >> 23) - 127), LAST, exponent - 1);
}

hk_row row;
float group_scale, w_largest;
uint first_k4;

hk_row hk_tile(uint r)
{
    return row;
}

uint hk_lane(uint r)
{
    return 0u;
}

void hk_begin(uint r, float scale)
{
    group_scale = scale;
}

void hk_use(uint r, uint k4, uint j, vec4 w)
{
    uint i = gl_LocalInvocationID.x * LD + k4 - first_k4 + j;
    w *= group_scale;
    w_largest = max(w_largest, largest(w));
    w *= power_of_two(w_exponent);
    vec4 high = first_bits(w);
    w_high[i] = f16vec4(high);
    if (HAS_LOW) w_low[i] = f16vec4(w - high);
}

void hk_end(uint r)
{
}

void fetch_x(uint first_token, uint slot)
{
    uint helpers = LANES > ROWS ? LANES - ROWS : LANES, helper = gl_LocalInvocationID.x - (LANES - helpers);
    float x_largest = 0.0;
    for (uint i = helper; i < TOKENS * COLUMNS / 4u; i += helpers) {
        uint token = i / (COLUMNS / 4u), k4 = i % (COLUMNS / 4u);
        uvec2 x_row = hk_at(args.x, min(first_token + token, args.n_tokens - 1u), args.x_ld * 4u);
        vec4 x = in_vec4(x_row).v[first_k4 + k4];
        x_largest = max(x_largest, largest(x));
        x *= power_of_two(x_exponent);
        vec4 high = first_bits(x);
        x_high[token * LD + k4] = f16vec4(high);
        x_low[token * LD + k4] = f16vec4(x - high);
    }
    check(slot, x_largest, x_exponent);
}

// A chunk's columns into shared memory.
void fetch(uint c, uint first_token, uint slot)
{
    first_k4 = c * (COLUMNS / 4u);
    if (gl_LocalInvocationID.x < ROWS) {
        w_largest = 0.0;
        weight_chunk(c);
        check(slot, w_largest, w_exponent);
    }
    if (LANES == ROWS || gl_LocalInvocationID.x >= ROWS) fetch_x(first_token, slot + 1u);
}

coopmat<float, gl_ScopeSubgroup, M, N, gl_MatrixUseAccumulator> sum[SHARE_M * SHARE_N];

// sum += W x over the chunk that is in shared memory
void multiply(uint row, uint token)
{
    [[unroll]] for (uint k = 0u; k < COLUMNS / 4u; k += K / 4u) {
        coopmat<float16_t, gl_ScopeSubgroup, K, N, gl_MatrixUseB> high[SHARE_N], low[SHARE_N];
        [[unroll]] for (uint j = 0u; j < SHARE_N; j++) {
            coopMatLoad(high[j], x_high, (token + j * N) * LD + k, LD, gl_CooperativeMatrixLayoutColumnMajor);
            coopMatLoad(low[j], x_low, (token + j * N) * LD + k, LD, gl_CooperativeMatrixLayoutColumnMajor);
        }
        [[unroll]] for (uint i = 0u; i < SHARE_M; i++) {
            coopmat<float16_t, gl_ScopeSubgroup, M, K, gl_MatrixUseA> w;
            if (HAS_LOW) {
                coopMatLoad(w, w_low, (row + i * M) * LD + k, LD, gl_CooperativeMatrixLayoutRowMajor);
                [[unroll]] for (uint j = 0u; j < SHARE_N; j++)
                    sum[i * SHARE_N + j] = coopMatMulAdd(w, high[j], sum[i * SHARE_N + j]);
            }
            coopMatLoad(w, w_high, (row + i * M) * LD + k, LD, gl_CooperativeMatrixLayoutRowMajor);
            [[unroll]] for (uint j = 0u; j < SHARE_N; j++) {
                sum[i * SHARE_N + j] = coopMatMulAdd(w, low[j], sum[i * SHARE_N + j]);
                sum[i * SHARE_N + j] = coopMatMulAdd(w, high[j], sum[i * SHARE_N + j]);
            }
        }
    }
}

// Matrix i of every share that subgroups have now goes out through shared memory. Scales may be far apart: s and s' go
// out in two steps of the same size.
void store(uint i, uint first_share, uint n_shares, uint first_token)
{
    int e = -(w_exponent + x_exponent);
    // Chosen by constants: for an index that varies a compiler keeps sum[] in memory all along.
    coopmat<float, gl_ScopeSubgroup, M, N, gl_MatrixUseAccumulator> one = sum[0];
    [[unroll]] for (uint j = 1u; j < SHARE_M * SHARE_N; j++)
        if (j == i) one = sum[j];
    barrier();
    if (gl_SubgroupID < n_shares)
        coopMatStore(one, result, gl_SubgroupID * (M * N), M, gl_CooperativeMatrixLayoutColumnMajor);
    barrier();
    hk_store_begin();
    [[dont_unroll]] for (uint at = gl_LocalInvocationID.x; at < n_shares * (M * N); at += LANES) {
        uint share = first_share + at / (M * N), m = at % M, n = at / M % N;
        uint share_row = share / SHARES_N * SHARE_M + i / SHARE_N, share_token = share % SHARES_N * SHARE_N + i % SHARE_N;
        hk_store(gl_WorkGroupID.x * ROWS + share_row * M + m, first_token + share_token * N + n,
                 result[at] * power_of_two(e / 2) * power_of_two(e - e / 2));
    }
}

void main()
{
    uint lane = gl_LocalInvocationID.x;
    uint last_tile = (args.rows + HK_LANES - 1u) / HK_LANES - 1u;
    uint first_token = gl_WorkGroupID.y * TOKENS;
    uint n_chunks = (args.n_blocks * W_BLOCK + COLUMNS - 1u) / COLUMNS;
    row = weight_row(min(gl_WorkGroupID.x * TILES + lane / HK_LANES, last_tile), lane % HK_LANES);
    if (lane < 4u) too_large[lane] = 0u;

    uint slot = 0u;
    for (uint first_share = 0u; first_share < SHARES; first_share += gl_NumSubgroups) {
        uint n_shares = min(gl_NumSubgroups, SHARES - first_share), share = first_share + gl_SubgroupID;
        uint share_row = share / SHARES_N * (SHARE_M * M), share_token = share % SHARES_N * (SHARE_N * N);
        w_exponent = x_exponent = FIRST;
        [[unroll]] for (uint i = 0u; i < SHARE_M * SHARE_N; i++)
            sum[i] = coopmat<float, gl_ScopeSubgroup, M, N, gl_MatrixUseAccumulator>(0.0);

        for (uint c = 0u; c < n_chunks;) {
            barrier();
            if (lane < 2u) too_large[(slot ^ 2u) + lane] = 0u;
            fetch(c, first_token, slot);
            barrier();
            uint w_bits = too_large[slot], x_bits = too_large[slot + 1u];
            slot ^= 2u;
            if ((w_bits | x_bits) == 0u) {
                if (gl_SubgroupID < n_shares) multiply(share_row, share_token);
                c++;
            } else {
                int w_lower = lowered(w_exponent, w_bits), x_lower = lowered(x_exponent, x_bits);
                float factor = power_of_two(w_lower - w_exponent) * power_of_two(x_lower - x_exponent);
                [[unroll]] for (uint i = 0u; i < SHARE_M * SHARE_N; i++)
                    sum[i] = sum[i] * factor;
                w_exponent = w_lower;
                x_exponent = x_lower;
            }
        }
        [[dont_unroll]] for (uint i = 0u; i < SHARE_M * SHARE_N; i++)
            store(i, first_share, n_shares, first_token);
    }
}
