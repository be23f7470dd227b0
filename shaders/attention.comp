// dst[t, h] = softmax(scale * q . K) V over the positions that the token sees, with the softmax kept up to date chunk by chunk
// (Milakov & Gimelshein 2018; Dao et al. 2022). In a chunk a lane first has one position (scores), then one 16-byte
// word of the values for every n_slices-th position. lse[t, h] = log sum exp(scale * q . K), where wanted. An inactive
// token gets zeros. Groups: x = query heads, y = tokens.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "kv.glsl"

HK_PUSH(attention_args);

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const bool F16 = true;
layout(constant_id = 2) const uint MAX_HEAD_DIM = 256u; // a multiple of 8

const uint LANES = gl_WorkGroupSize.x; // a multiple of 16
const uint PER_WORD = F16 ? 8u : 4u;

shared vec4 query[MAX_HEAD_DIM / 4u];
shared float weights[LANES];
shared uint rows[LANES]; // of the cache, of a chunk's positions
shared float group_max[LANES / 16u];
shared vec4 partial[LANES * 2u];

void unpack(uvec4 word, out vec4 lo, out vec4 hi)
{
    if (F16) {
        lo = vec4(unpackHalf2x16(word.x), unpackHalf2x16(word.y));
        hi = vec4(unpackHalf2x16(word.z), unpackHalf2x16(word.w));
    } else {
        lo = uintBitsToFloat(word);
        hi = vec4(0.0);
    }
}

// The largest of weights[] over all lanes. Every lane must call it; barriers on both sides are the caller's.
float largest_weight()
{
    uint lane = gl_LocalInvocationID.x;
    if (lane < LANES / 16u) {
        float m = weights[lane * 16u];
        for (uint i = 1u; i < 16u; i++)
            m = max(m, weights[lane * 16u + i]);
        group_max[lane] = m;
    }
    barrier();
    float m = group_max[0];
    for (uint i = 1u; i < LANES / 16u; i++)
        m = max(m, group_max[i]);
    return m;
}

void load_query(uint t, uint head)
{
    in_float q = in_float(hk_at(args.q, t, args.q_ld * 4u));
    for (uint i = gl_LocalInvocationID.x; i < args.head_words * PER_WORD / 4u; i += LANES) {
        vec4 word = vec4(0.0);
        [[unroll]] for (uint j = 0u; j < 4u; j++)
            if (4u * i + j < args.head_dim) word[j] = q.v[head * args.head_dim + 4u * i + j] * args.scale;
        query[i] = word;
    }
}

float score(in_uvec4 k, uint row)
{
    float sum = 0.0;
    uint base = (row / 32u) * args.head_words * 32u + row % 32u;
    for (uint w = 0u; w < args.head_words; w++) {
        vec4 lo, hi;
        unpack(k.v[base + w * 32u], lo, hi);
        if (F16)
            sum += dot(lo, query[2u * w]) + dot(hi, query[2u * w + 1u]);
        else
            sum += dot(lo, query[w]);
    }
    return sum;
}

void main()
{
    uint head = gl_WorkGroupID.x, t = gl_WorkGroupID.y, lane = gl_LocalInvocationID.x;
    uint pos = in_uint(args.pos).v[t];
    if (pos == 0xffffffffu) { // an inactive token; the same for all lanes
        io_float rest = io_float(hk_at(args.dst, t, args.dst_ld * 4u));
        for (uint i = lane; i < args.head_dim; i += LANES)
            rest.v[head * args.head_dim + i] = 0.0;
        if (lane == 0u && hk_given(args.lse)) io_float(hk_at(args.lse, t, args.lse_ld * 4u)).v[head] = 0.0;
        return;
    }
    uint n_kv = pos + 1u;
    uint table = in_uint(args.table).v[t];
    in_uint blocks = in_uint(args.blocks);

    uint head_bytes = args.n_rows * args.head_words * 16u;
    in_uvec4 k = in_uvec4(hk_at(args.k_cache, head / args.group, head_bytes));
    in_uvec4 v = in_uvec4(hk_at(args.v_cache, head / args.group, head_bytes));
    uint n_slices = LANES / args.head_words, slice = lane / args.head_words, word = lane % args.head_words;
    load_query(t, head);
    barrier();

    float running_max = -3.0e38, lane_sum = 0.0;
    vec4 acc_lo = vec4(0.0), acc_hi = vec4(0.0);
    uint begin = args.window != 0u && args.window < n_kv ? n_kv - args.window : 0u;
    for (uint first = begin; first < n_kv; first += LANES) {
        uint n = min(LANES, n_kv - first);
        float s = -3.0e38;
        if (lane < n) {
            rows[lane] = hk_kv_row(blocks, table, first + lane);
            s = score(k, rows[lane]);
        }
        weights[lane] = s;
        barrier();
        float new_max = max(running_max, largest_weight());
        float keep = exp(running_max - new_max);
        float weight = lane < n ? exp(s - new_max) : 0.0;
        running_max = new_max;
        weights[lane] = weight; // all have read the scores: largest_weight has a barrier behind the reads
        lane_sum = lane_sum * keep + weight;
        acc_lo *= keep;
        acc_hi *= keep;
        barrier();
        if (slice < n_slices) {
            for (uint p = slice; p < n; p += n_slices) {
                vec4 lo, hi;
                unpack(v.v[rows[p] * args.head_words + word], lo, hi);
                acc_lo += weights[p] * lo;
                acc_hi += weights[p] * hi;
            }
        }
        barrier();
    }

    weights[lane] = lane_sum;
    partial[2u * lane] = acc_lo;
    partial[2u * lane + 1u] = acc_hi;
    barrier();
    if (slice != 0u) return;
    float total = 0.0;
    for (uint i = 0u; i < LANES; i++)
        total += weights[i];
    if (lane == 0u && hk_given(args.lse))
        io_float(hk_at(args.lse, t, args.lse_ld * 4u)).v[head] = running_max + log(total);
    for (uint i = 1u; i < n_slices; i++) {
        acc_lo += partial[2u * (lane + i * args.head_words)];
        acc_hi += partial[2u * (lane + i * args.head_words) + 1u];
    }
    io_float dst = io_float(hk_at(args.dst, t, args.dst_ld * 4u));
    [[unroll]] for (uint j = 0u; j < PER_WORD; j++) {
        uint i = word * PER_WORD + j;
        if (i < args.head_dim) dst.v[head * args.head_dim + i] = (j < 4u ? acc_lo[j] : acc_hi[j - 4u]) / total;
    }
}
