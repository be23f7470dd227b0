/* Protocol buffers' wire format (proto2 and 3): fields of a message one after the other, every length
 * checked. */
#ifndef HEKLA_LOADER_PROTOBUF_H
#define HEKLA_LOADER_PROTOBUF_H

#include "loader/tokenizer/text_steps.h"

enum hk_proto_type { HK_PROTO_VARINT = 0, HK_PROTO_FIXED64 = 1, HK_PROTO_BYTES = 2, HK_PROTO_FIXED32 = 5 };

struct hk_proto_field {
    uint32_t number;
    enum hk_proto_type type;
    uint64_t value;       /* VARINT, FIXED64, FIXED32 */
    struct hk_span bytes; /* BYTES: a string, bytes or a message; points into the message around it */
};

struct hk_proto {
    const uint8_t *data;
    size_t size, pos;
    const char *what; /* for messages: "tokenizer.model: the trainer's settings" */
    struct hk_error *err;
    bool failed;
};

/* A reader of one message. */
struct hk_proto hk_proto_make(struct hk_span message, const char *what, struct hk_error *err);
/* The next field. False at the end of the message, and (then p->failed and *err, HK_ERR_FORMAT) when a
 * number, length or type is impossible. Groups are not accepted. */
bool hk_proto_next(struct hk_proto *p, struct hk_proto_field *f);

/* A FIXED32 as a float. */
float hk_proto_f32(const struct hk_proto_field *f);

/* The field is of that type; false and *err when it is of another. */
bool hk_proto_expect(struct hk_proto *p, const struct hk_proto_field *f, enum hk_proto_type type);

#endif
