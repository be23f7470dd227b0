/* The front of a GGUF file. */
#include "loader/convert/gguf_write.h"

#include <string.h>

void hk_gguf_writer_free(struct hk_gguf_writer *w)
{
    hk_bytes_free(&w->kv);
    hk_bytes_free(&w->directory);
}

static void put(struct hk_gguf_writer *w, struct hk_bytes *to, const void *data, size_t len)
{
    if (!w->failed) w->failed = !hk_bytes_append(to, data, len, w->err);
}

/* The n low bytes of v, the lowest first. */
static void put_number(struct hk_gguf_writer *w, struct hk_bytes *to, uint64_t v, size_t n)
{
    uint8_t b[8];
    for (size_t i = 0; i < n; i++) b[i] = (uint8_t)(v >> 8 * i);
    put(w, to, b, n);
}

static void put_text(struct hk_gguf_writer *w, struct hk_bytes *to, const char *text, size_t len)
{
    put_number(w, to, len, 8);
    put(w, to, text, len);
}

static uint32_t float_bits(float v)
{
    uint32_t u;
    memcpy(&u, &v, sizeof u);
    return u;
}

static void begin(struct hk_gguf_writer *w, const char *key, enum hk_gguf_value_type type)
{
    put_text(w, &w->kv, key, strlen(key));
    put_number(w, &w->kv, type, 4);
    w->n_kv++;
}

void hk_gguf_put_u32(struct hk_gguf_writer *w, const char *key, uint32_t v)
{
    begin(w, key, HK_GGUF_U32);
    put_number(w, &w->kv, v, 4);
}

void hk_gguf_put_f32(struct hk_gguf_writer *w, const char *key, float v)
{
    begin(w, key, HK_GGUF_F32);
    put_number(w, &w->kv, float_bits(v), 4);
}

void hk_gguf_put_bool(struct hk_gguf_writer *w, const char *key, bool v)
{
    begin(w, key, HK_GGUF_BOOL);
    put_number(w, &w->kv, v, 1);
}

void hk_gguf_put_string(struct hk_gguf_writer *w, const char *key, const char *text, size_t len)
{
    begin(w, key, HK_GGUF_STRING);
    put_text(w, &w->kv, text, len);
}

void hk_gguf_put_kv(struct hk_gguf_writer *w, const struct hk_gguf_kv *kv)
{
    put_text(w, &w->kv, kv->key.text, (size_t)kv->key.len);
    put_number(w, &w->kv, kv->type, 4);
    if (kv->type == HK_GGUF_ARRAY) {
        put_number(w, &w->kv, kv->element, 4);
        put_number(w, &w->kv, kv->count, 8);
    }
    put(w, &w->kv, kv->data, kv->size);
    w->n_kv++;
}

void hk_gguf_put_bytes(struct hk_gguf_writer *w, const char *key, const char *bytes, size_t n)
{
    const struct hk_gguf_kv kv = {.key = {key, strlen(key)},
                                  .type = HK_GGUF_ARRAY,
                                  .element = HK_GGUF_U8,
                                  .count = n,
                                  .data = (const uint8_t *)bytes,
                                  .size = n};
    hk_gguf_put_kv(w, &kv);
}

void hk_gguf_begin_array(struct hk_gguf_writer *w, const char *key, enum hk_gguf_value_type element,
                         uint64_t n)
{
    begin(w, key, HK_GGUF_ARRAY);
    put_number(w, &w->kv, element, 4);
    put_number(w, &w->kv, n, 8);
}

void hk_gguf_add_u32(struct hk_gguf_writer *w, uint32_t v)
{
    put_number(w, &w->kv, v, 4);
}

void hk_gguf_add_f32(struct hk_gguf_writer *w, float v)
{
    put_number(w, &w->kv, float_bits(v), 4);
}

void hk_gguf_add_string(struct hk_gguf_writer *w, const char *text, size_t len)
{
    put_text(w, &w->kv, text, len);
}

uint32_t hk_gguf_padding(const struct hk_gguf_writer *w, uint64_t size)
{
    return (uint32_t)(w->alignment - 1 - (size + w->alignment - 1) % w->alignment);
}

void hk_gguf_put_tensor(struct hk_gguf_writer *w, const char *name, enum hk_weight_type type, uint32_t n_dims,
                        const uint64_t *shape, uint64_t size)
{
    put_text(w, &w->directory, name, strlen(name));
    put_number(w, &w->directory, n_dims, 4);
    for (uint32_t d = n_dims; d-- > 0;) put_number(w, &w->directory, shape[d], 8); /* innermost first */
    put_number(w, &w->directory, hk_weight_type_info(type)->gguf_id, 4);
    put_number(w, &w->directory, w->data_size, 8);
    w->n_tensors++;
    uint64_t padded = 0;
    if (!hk_add_u64(size, hk_gguf_padding(w, size), &padded) ||
        !hk_add_u64(w->data_size, padded, &w->data_size)) {
        if (!w->failed) hk_fail(w->err, HK_ERR_FORMAT, "tensor %s: the file's size does not fit", name);
        w->failed = true;
    }
}

bool hk_gguf_front(struct hk_gguf_writer *w, struct hk_bytes *out)
{
    static const uint8_t zeros[64] = {0};
    put(w, out, "GGUF", 4);
    put_number(w, out, 3, 4);
    put_number(w, out, w->n_tensors, 8);
    put_number(w, out, w->n_kv, 8);
    if (w->kv.len) put(w, out, w->kv.data, w->kv.len);
    if (w->directory.len) put(w, out, w->directory.data, w->directory.len);
    for (uint32_t left = hk_gguf_padding(w, out->len); left > 0 && !w->failed;) {
        uint32_t n = left < sizeof zeros ? left : (uint32_t)sizeof zeros;
        put(w, out, zeros, n);
        left -= n;
    }
    return !w->failed;
}
