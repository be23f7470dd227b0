/* Varints, tags and lengths. */
#include "loader/formats/protobuf.h"
#include "loader/file.h"

#include <string.h>

struct hk_proto hk_proto_make(struct hk_span message, const char *what, struct hk_error *err)
{
    return (struct hk_proto){
        .data = (const uint8_t *)message.data, .size = message.len, .what = what, .err = err};
}

static bool fail(struct hk_proto *p, const char *why)
{
    p->failed = true;
    return hk_fail(p->err, HK_ERR_FORMAT, "%s: at byte %zu of %zu: %s", p->what, p->pos, p->size, why);
}

static bool varint(struct hk_proto *p, uint64_t *out)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (p->pos == p->size) return fail(p, "truncated");
        uint8_t b = p->data[p->pos++];
        v |= (uint64_t)(b & 0x7F) << shift;
        if (b < 0x80) {
            *out = v;
            return true;
        }
    }
    return fail(p, "a number of more than ten bytes");
}

static bool take(struct hk_proto *p, uint64_t n, struct hk_span *out)
{
    if (n > p->size - p->pos) return fail(p, "truncated, or a length that leaves the message");
    *out = (struct hk_span){(const char *)p->data + p->pos, (size_t)n};
    p->pos += (size_t)n;
    return true;
}

bool hk_proto_next(struct hk_proto *p, struct hk_proto_field *f)
{
    uint64_t tag, len;
    if (p->failed || p->pos == p->size || !varint(p, &tag)) return false;
    memset(f, 0, sizeof *f);
    if (tag >> 3 == 0 || tag >> 3 > (1u << 29) - 1) return fail(p, "a field's number is impossible");
    f->number = (uint32_t)(tag >> 3);
    switch (tag & 7) {
    case HK_PROTO_VARINT:
        f->type = HK_PROTO_VARINT;
        return varint(p, &f->value);
    case HK_PROTO_FIXED64:
        f->type = HK_PROTO_FIXED64;
        if (!take(p, 8, &f->bytes)) return false;
        f->value = hk_load_u64(f->bytes.data);
        return true;
    case HK_PROTO_FIXED32:
        f->type = HK_PROTO_FIXED32;
        if (!take(p, 4, &f->bytes)) return false;
        f->value = hk_load_u32(f->bytes.data);
        return true;
    case HK_PROTO_BYTES:
        f->type = HK_PROTO_BYTES;
        return varint(p, &len) && take(p, len, &f->bytes);
    default:
        return fail(p, "a field's type is impossible");
    }
}

float hk_proto_f32(const struct hk_proto_field *f)
{
    uint32_t bits = (uint32_t)f->value;
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

bool hk_proto_expect(struct hk_proto *p, const struct hk_proto_field *f, enum hk_proto_type type)
{
    return f->type == type || fail(p, "a field is of another type than it should be");
}
