/* The weight types' codecs against gguf-py's (golden/weight_types.bin, made by make_weight_goldens.py). */
#include "tests/loader_testing.h"

#include <math.h>
#include <stdio.h>

#ifndef HEKLA_SOURCE_DIR
#define HEKLA_SOURCE_DIR "."
#endif

/* What a record of the goldens says; pointers into the file. */
struct record {
    enum hk_weight_type type;
    uint32_t n, bytes;
    bool exact;                                /* whether encoding the source must give these very bytes */
    const uint8_t *source, *encoded, *decoded; /* source: NULL where it is about decoding alone */
};

static void read_record(struct hk_cursor *c, struct record *r)
{
    char name[9] = {0};
    const uint8_t *p = hk_cursor_bytes(c, 8, "name");
    if (p) memcpy(name, p, 8);
    r->n = hk_cursor_u32(c, "weights");
    r->bytes = hk_cursor_u32(c, "bytes");
    uint32_t has_source = hk_cursor_u32(c, "source");
    r->exact = has_source == 1;
    r->source = has_source ? hk_cursor_bytes(c, 4 * (uint64_t)r->n, "source") : NULL;
    r->encoded = hk_cursor_bytes(c, r->bytes, "encoded");
    r->decoded = hk_cursor_bytes(c, 4 * (uint64_t)r->n, "decoded");
    assert_false(c->failed);
    r->type = hk_weight_type_by_name(name);
    if (r->type == HK_WEIGHT_TYPE_COUNT) fail_msg("%s: no such type", name);
    uint64_t want_bytes;
    assert_true(hk_weight_bytes(r->type, 1, r->n, &want_bytes));
    assert_int_equal(want_bytes, r->bytes);
}

static void check_decoder(const struct record *r)
{
    const struct hk_weight_type_info *info = hk_weight_type_info(r->type);
    float *values = malloc(r->n * sizeof *values);
    uint8_t *unaligned = malloc(r->bytes + 1);
    assert_true(values && unaligned);
    memcpy(unaligned + 1, r->encoded, r->bytes);
    info->decode(unaligned + 1, values, r->n);
    for (uint32_t i = 0; i < r->n; i++) {
        float want = hk_load_f32(r->decoded + 4 * i);
        if (memcmp(&values[i], &want, 4) != 0)
            fail_msg("%s: weight %u is %.9g, not %.9g", info->name, i, (double)values[i], (double)want);
    }
    free(values);
    free(unaligned);
}

static void check_bytes(const struct record *r, const float *values, const uint8_t *out)
{
    const struct hk_weight_type_info *info = hk_weight_type_info(r->type);
    for (uint32_t i = 0; i < r->bytes; i++) {
        if (out[i] != r->encoded[i])
            fail_msg("%s: byte %u is %u, not %u (near weight %u = %.9g)", info->name, i, out[i],
                     r->encoded[i], i / info->block_bytes * info->block_len,
                     (double)values[i / info->block_bytes * info->block_len]);
    }
}

/* The error of our encoding and of the golden one. */
static void check_error(const struct record *r, const float *values, const uint8_t *out)
{
    const struct hk_weight_type_info *info = hk_weight_type_info(r->type);
    float *decoded = malloc(r->n * sizeof *decoded);
    assert_non_null(decoded);
    info->decode(out, decoded, r->n);
    double ours = 0, theirs = 0;
    for (uint32_t i = 0; i < r->n; i++) {
        double a = (double)decoded[i] - (double)values[i];
        double b = (double)hk_load_f32(r->decoded + 4 * i) - (double)values[i];
        ours += a * a;
        theirs += b * b;
    }
    print_message("%s: mean squared error %.6g, ggml's %.6g\n", info->name, ours / r->n, theirs / r->n);
    assert_true(ours <= 1.02 * theirs);
    free(decoded);
}

static void check_encoder(const struct record *r)
{
    const struct hk_weight_type_info *info = hk_weight_type_info(r->type);
    float *values = malloc(r->n * sizeof *values);
    uint8_t *out = malloc(r->bytes);
    assert_true(values && out && info->encode);
    for (uint32_t i = 0; i < r->n; i++) values[i] = hk_load_f32(r->source + 4 * i);
    info->encode(values, out, r->n);
    (r->exact ? check_bytes : check_error)(r, values, out);
    free(values);
    free(out);
}

static void goldens_agree(void **state)
{
    (void)state;
    struct hk_error err = {0};
    struct hk_mapping *m = hk_mapping_open(HEKLA_SOURCE_DIR "/tests/golden/weight_types.bin", &err);
    if (!m) fail_msg("%s", err.text);
    struct hk_cursor c = hk_cursor_make(m->data, m->size, m->path, &err);
    bool decoded[HK_WEIGHT_TYPE_COUNT] = {0}, encoded[HK_WEIGHT_TYPE_COUNT] = {0};
    while (hk_cursor_left(&c) > 0) {
        struct record r;
        read_record(&c, &r);
        check_decoder(&r);
        if (r.source) check_encoder(&r);
        decoded[r.type] = true;
        encoded[r.type] |= r.source != NULL;
    }
    for (unsigned t = 0; t < HK_WEIGHT_TYPE_COUNT; t++) {
        const struct hk_weight_type_info *info = hk_weight_type_info((enum hk_weight_type)t);
        if (!decoded[t] || encoded[t] != (info->encode != NULL))
            fail_msg("%s: not in the goldens", info->name);
    }
    hk_mapping_close(m);
}

static void every_half_survives(void **state)
{
    (void)state;
    for (uint32_t h = 0; h <= 0xFFFF; h++) {
        uint32_t exponent = h >> 10 & 31, mantissa = h & 1023;
        float f = hk_f16_to_f32((uint16_t)h);
        if (exponent == 31 && mantissa) {
            assert_true(isnan(f) && isnan(hk_f16_to_f32(hk_f32_to_f16(f))));
            continue;
        }
        double want = exponent == 31 ? (double)INFINITY
                      : exponent     ? ldexp(1024.0 + mantissa, (int)exponent - 25)
                                     : ldexp(mantissa, -24);
        assert_true((double)f == (h & 0x8000 ? -want : want));
        assert_int_equal(hk_f32_to_f16(f), h);
        /* half-way to the next value rounds to the even one, a little above it up */
        if (exponent < 30) {
            float next = hk_f16_to_f32((uint16_t)(h + 1)), middle = (f + next) / 2.0f;
            assert_int_equal(hk_f32_to_f16(middle), h % 2 ? h + 1 : h);
            assert_int_equal(hk_f32_to_f16(nextafterf(middle, next)), h + 1);
            assert_int_equal(hk_f32_to_f16(nextafterf(middle, f)), h);
        }
    }
}

static void the_table_is_consistent(void **state)
{
    (void)state;
    for (unsigned t = 0; t < HK_WEIGHT_TYPE_COUNT; t++) {
        enum hk_weight_type type = (enum hk_weight_type)t;
        const struct hk_weight_type_info *info = hk_weight_type_info(type);
        assert_int_equal(hk_weight_type_by_name(info->name), t);
        bool gguf = info->gguf_id != HK_NO_GGUF_ID;
        assert_int_equal(hk_weight_type_by_gguf_id(info->gguf_id), gguf ? t : HK_WEIGHT_TYPE_COUNT);
        if (info->st_name)
            assert_int_equal(hk_weight_type_by_st_name(info->st_name, strlen(info->st_name)), t);
        /* the planes cover a block, each byte once */
        uint8_t covered[256] = {0};
        uint32_t bytes = 0;
        assert_true(info->pack_bytes >= hk_weight_on_device(info) && info->pack_bytes <= sizeof covered);
        int planes = info->grid != NULL;
        for (int f = 0; f < HK_MAX_PLANES && info->fields[f].bytes; f++) {
            const struct hk_block_field *field = &info->fields[f];
            assert_true(field->unit == 16 || field->unit == 4 || field->unit == 2 || field->unit == 1);
            assert_true(field->unit < 4 ? field->bytes == field->unit : field->bytes % field->unit == 0);
            assert_true(field->offset + field->bytes <= info->pack_bytes);
            for (uint32_t i = 0; i < field->bytes; i++) assert_int_equal(covered[field->offset + i]++, 0);
            bytes += field->bytes;
            planes++;
        }
        assert_int_equal(bytes, info->pack_bytes);
        assert_true(planes <= HK_MAX_PLANES && (info->grid != NULL) == (info->grid_len != 0));
        assert_int_equal(info->pack_bytes * info->block_len, info->block_bytes * info->pack_len);
        for (uint32_t i = 0; i < info->n_halves; i++)
            assert_true(i < HK_MAX_BLOCK_HALVES && info->half_at[i] + 2 <= info->block_bytes);
        assert_non_null(info->decode);
    }
    assert_int_equal(hk_weight_type_by_name("q9_9"), HK_WEIGHT_TYPE_COUNT);
    assert_int_equal(hk_weight_type_by_gguf_id(4), HK_WEIGHT_TYPE_COUNT);
    assert_int_equal(hk_weight_type_by_st_name("F3", 2), HK_WEIGHT_TYPE_COUNT);
    uint64_t bytes = 0;
    assert_false(hk_weight_bytes(HK_Q8_0, 1, 33, &bytes));
    assert_false(hk_weight_bytes(HK_F32, 1ull << 62, 4, &bytes));
    assert_false(hk_weight_bytes(HK_F32, 1, 1ull << 62, &bytes));
    assert_true(hk_weight_bytes(HK_Q6_K, 2, 512, &bytes) && bytes == 840);
}

/* Encoders must not misbehave on what is no number; what they make of it does not matter. */
static void encoders_take_anything(void **state)
{
    (void)state;
    float w[256];
    uint8_t out[256 * 8];
    const float odd[] = {NAN, INFINITY, -INFINITY, 3.4e38f, -3.4e38f, 1e-45f, 0.0f, -0.0f};
    for (size_t first = 0; first < 8; first++) {
        for (size_t i = 0; i < 256; i++) w[i] = odd[i % 7 ? first : i / 7 % 8];
        for (unsigned t = 0; t < HK_WEIGHT_TYPE_COUNT; t++) {
            const struct hk_weight_type_info *info = hk_weight_type_info((enum hk_weight_type)t);
            if (info->encode) info->encode(w, out, 256);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goldens_agree),
        cmocka_unit_test(every_half_survives),
        cmocka_unit_test(the_table_is_consistent),
        cmocka_unit_test(encoders_take_anything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
