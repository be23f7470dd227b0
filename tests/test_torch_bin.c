/* PyTorch's .bin files: each form of torch.save's against the same tensors as safetensors, hostile pickles
 * and archives, every truncation. */
#include "loader/formats/hf.h"
#include "tests/loader_testing.h"
#include "loader/formats/pickle.h"
#include "loader/formats/torch_bin.h"

#include <stdio.h>

/* ---- archives, made in memory ---- */

struct zip {
    struct hk_bytes out, directory;
    size_t n;
};

static void put_u16(struct hk_bytes *b, unsigned v)
{
    const uint8_t p[2] = {(uint8_t)v, (uint8_t)(v >> 8)};
    hk_test_put(b, p, 2);
}

/* What a directory entry says, in place of the truth where not 0. */
struct lie {
    unsigned method, flags;
    uint32_t size, offset;
};

static void zip_add(struct zip *z, const char *name, const void *data, size_t len, struct lie lie)
{
    uint32_t offset = (uint32_t)z->out.len, name_len = (uint32_t)strlen(name);
    hk_test_put(&z->out, "PK\3\4", 4);
    for (int i = 0; i < 22; i++) hk_test_put(&z->out, "", 1); /* repeats the directory: not read */
    put_u16(&z->out, name_len);
    put_u16(&z->out, 3);
    hk_test_put(&z->out, name, name_len);
    hk_test_put(&z->out, "pad", 3);
    hk_test_put(&z->out, data, len);
    struct hk_bytes *d = &z->directory;
    hk_test_put(d, "PK\1\2\0\0\0\0", 8);
    put_u16(d, lie.flags);
    put_u16(d, lie.method);
    hk_test_put_u64(d, 0); /* time, checksum */
    hk_test_put_u32(d, lie.size ? lie.size : (uint32_t)len);
    hk_test_put_u32(d, lie.size ? lie.size : (uint32_t)len);
    put_u16(d, name_len);
    hk_test_put_u64(d, 0); /* extra, comment, disk, attributes */
    hk_test_put_u32(d, 0);
    hk_test_put_u32(d, lie.offset ? lie.offset : offset);
    hk_test_put(d, name, name_len);
    z->n++;
}

static struct hk_bytes zip_end(struct zip *z)
{
    uint32_t at = (uint32_t)z->out.len;
    hk_test_put(&z->out, z->directory.data, z->directory.len);
    hk_test_put(&z->out, "PK\5\6\0\0\0\0", 8);
    put_u16(&z->out, (unsigned)z->n);
    put_u16(&z->out, (unsigned)z->n);
    hk_test_put_u32(&z->out, (uint32_t)z->directory.len);
    hk_test_put_u32(&z->out, at);
    put_u16(&z->out, 0);
    hk_bytes_free(&z->directory);
    return z->out;
}

/* ---- reading ---- */

struct read {
    struct hk_arena arena;
    struct hk_st_tensor *list;
    size_t n;
    struct hk_error err;
    bool ok;
};

/* From a copy of exactly len bytes, which the caller frees. */
static uint8_t *read_bytes(const void *data, size_t len, struct read *r)
{
    uint8_t *copy = hk_test_copy(data, len);
    *r = (struct read){0};
    r->ok = hk_torch_bin_parse(&r->arena, copy, len, "t.bin", &r->list, &r->n, &r->err);
    if (!r->ok) hk_test_error_says(&r->err, "t.bin");
    return copy;
}

static void expect_refusal(const void *data, size_t len, const char *says)
{
    struct read r;
    uint8_t *copy = read_bytes(data, len, &r);
    if (r.ok) fail_msg("accepted, though it should say \"%s\"", says);
    hk_test_error_says(&r.err, says);
    hk_arena_free(&r.arena);
    free(copy);
}

static void refuse_pickle(const void *pickle, size_t len, const char *says)
{
    struct zip z = {0};
    const float numbers[4] = {1, 2, 3, 4};
    zip_add(&z, "a/data.pkl", pickle, len, (struct lie){0});
    zip_add(&z, "a/data/0", numbers, sizeof numbers, (struct lie){0});
    struct hk_bytes out = zip_end(&z);
    expect_refusal(out.data, out.len, says);
    hk_bytes_free(&out);
}

static struct hk_mapping *golden(const char *name)
{
    char path[HK_TEST_PATH];
    struct hk_error err = {0};
    const char *source = getenv("HEKLA_SOURCE_DIR");
    snprintf(path, sizeof path, "%s/tests/golden/torch/%s", source ? source : HEKLA_SOURCE_DIR, name);
    struct hk_mapping *m = hk_mapping_open(path, &err);
    if (!m) fail_msg("%s", err.text);
    return m;
}

static const struct hk_st_tensor *find(const struct hk_st_tensor *list, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(list[i].name, name) == 0) return &list[i];
    }
    fail_msg("there is no tensor %s", name);
    return NULL;
}

static void same_tensor(const struct hk_st_tensor *a, const struct hk_st_tensor *b)
{
    assert_string_equal(a->dtype, b->dtype);
    assert_int_equal(a->n_dims, b->n_dims);
    assert_memory_equal(a->shape, b->shape, sizeof a->shape);
    assert_int_equal(a->size, b->size);
    if (!a->transposed) {
        assert_memory_equal(a->data, b->data, a->size);
        return;
    }
    size_t bytes = (size_t)(a->size / (a->shape[0] * a->shape[1]));
    for (size_t r = 0; r < a->shape[0]; r++)
        for (size_t c = 0; c < a->shape[1]; c++)
            assert_memory_equal(a->data + (c * a->shape[0] + r) * bytes,
                                b->data + (r * a->shape[1] + c) * bytes, bytes);
}

static void every_form_gives_the_same_tensors(void **state)
{
    (void)state;
    static const char *const FORMS[] = {"zip2.bin", "zip4.bin", "zip5.bin", "old.bin"};
    struct hk_arena a = {0};
    struct hk_error err = {0};
    struct hk_st_tensor *want;
    size_t n_want;
    struct hk_mapping *m = golden("all.safetensors"), *bin;
    if (!hk_safetensors_parse(&a, m->data, m->size, "all", &want, &n_want, &err)) fail_msg("%s", err.text);
    assert_int_equal(n_want, 13);
    for (size_t i = 0; i < 4; i++) {
        bin = golden(FORMS[i]);
        assert_true(hk_torch_bin_probe(bin->data, bin->size));
        struct read r;
        uint8_t *copy = read_bytes(bin->data, bin->size, &r);
        if (!r.ok) fail_msg("%s: %s", FORMS[i], r.err.text);
        assert_int_equal(r.n, 12);
        for (size_t k = 0; k < r.n; k++) {
            same_tensor(&r.list[k], find(want, n_want, r.list[k].name));
            assert_true(r.list[k].data >= copy && r.list[k].data + r.list[k].size <= copy + bin->size);
        }
        assert_true(find(r.list, r.n, "transposed")->transposed);
        hk_arena_free(&r.arena);
        free(copy);
        hk_mapping_close(bin);
    }
    bin = golden("f8.bin");
    struct read r;
    uint8_t *copy = read_bytes(bin->data, bin->size, &r);
    if (!r.ok) fail_msg("%s", r.err.text);
    same_tensor(&r.list[0], find(want, n_want, "f8"));
    hk_arena_free(&r.arena);
    free(copy);
    hk_mapping_close(bin);
    hk_mapping_close(m);
    hk_arena_free(&a);
}

static void files_of_other_things_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *file, *says;
    } FILES[] = {
        {"gaps.bin", "tensor w has gaps or another order of dimensions"},
        {"class.bin",
         "it names torch.optim.sgd.SGD: only dictionaries of torch's tensors are read, and nothing"},
        {"list.bin", "holds no dictionary of tensors by name"},
    };
    for (size_t i = 0; i < 3; i++) {
        struct hk_mapping *m = golden(FILES[i].file);
        expect_refusal(m->data, m->size, FILES[i].says);
        hk_mapping_close(m);
    }
    expect_refusal("PK\3\4", 4, "the zip archive has no end-of-directory record");
    expect_refusal("", 0, "no end-of-directory record");
}

#define P(text) text, sizeof text - 1
#define STORAGE "(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0000X\3\0\0\0cpuK\4tQ"
#define REBUILD "ctorch._utils\n_rebuild_tensor_v2\n("
#define HOOKS                                                                                                \
    "\x89"                                                                                                   \
    "ccollections\nOrderedDict\n)RtR"
#define TENSOR REBUILD STORAGE "K\0K\4\x85K\1\x85" HOOKS
#define NAMED  "\x80\2}X\1\0\0\0w"

static const struct {
    const char *pickle;
    size_t len;
    const char *says;
} HOSTILE[] = {
    {P("\x80\2cos\nsystem\nX\4\0\0\0echo\x85R."), "pickle at byte 2: it names os.system: only dictionaries"},
    {P("\x80\4\x8c\5posix\x8c\6system\x93."), "it names posix.system"},
    {P("\x80\2c__builtin__\neval\n."), "it names __builtin__.eval"},
    {P("\x80\2ctorch\nload\n."), "it names torch.load"},
    {P("\x80\2ctorch\nFloatStorage\n)R."), "it calls torch.FloatStorage with arguments"},
    {P("\x80\2ccollections\nOrderedDict\n]\x85R."), "it calls collections.OrderedDict with arguments"},
    {P("\x80\2}}R."), "a call of what is no function"},
    {P("\x80\2ccollections\nOrderedDict\n)\x81."), "opcode 0x81 is none that tensors are saved with"},
    {P("\x80\2(ios\nsystem\n."), "opcode 0x69"},
    {P("\x80\2(X\1\0\0\0ao."), "opcode 0x6f"},
    {P("\x80\2\x82\1."), "opcode 0x82"},
    {P("\x80\2P1\n."), "opcode 0x50"},
    {P("\x80\1}."), "protocol 1: 2 to 5"},
    {P("\x80\6}."), "protocol 6: 2 to 5"},
    {P("}."), "it does not begin with its protocol"},
    {P("\x80\2."), "there is no value on the stack"},
    {P("\x80\2(."), "there is no value on the stack"},
    {P("\x80\2(t"), "truncated or damaged: the pickle needs 1 bytes"},
    {P("\x80\2t."), "there is no mark on the stack"},
    {P("\x80\2K\1(\x86."), "there are no 2 values on the stack"},
    {P("\x80\2K\1K\1a."), "there is no list to add to"},
    {P("\x80\2]K\1K\1s."), "there is no dictionary to add to"},
    {P("\x80\2}(K\1u."), "a key without a value"},
    {P("\x80\2}(K\1K\1K\1u."), "a key without a value"},
    {P("\x80\2K\1K\2b."), "the state of something that is no dictionary"},
    {P("\x80\2X\xff\xff\xff\xffz."), "a text of the pickle needs 4294967295 bytes"},
    {P("\x80\4\x8d\xff\xff\xff\xff\xff\xff\xff\xffz."), "a text of the pickle needs 18446744073709551615"},
    {P("\x80\4\x95\xff\xff\xff\xff\xff\xff\xff\x7f}."), "a frame of 9223372036854775807 bytes"},
    {P("\x80\2\x8a\xff}."), "an integer needs 255 bytes"},
    {P("\x80\2\x8a\t123456789."), "an integer of 9 bytes"},
    {P("\x80\2}r\xff\xff\xff\xff."), "memo slot 4294967295 is beyond"},
    {P("\x80\2h\0."), "memo slot 0 is empty"},
    {P("\x80\2}q\2h\1."), "memo slot 1 is empty"},
    {P("\x80\2q\0."), "there is no value on the stack"},
    {P("\x80\2K\1Q."), "a reference to something that is no storage"},
    {P("\x80\2}."), "holds no dictionary of tensors"},
    {P("\x80\2K\7."), "holds no dictionary of tensors"},
    {P(NAMED REBUILD STORAGE "K\0K\4K\1" HOOKS "s."), "a tensor needs a storage"},
    {P(NAMED REBUILD "NK\0K\4\x85K\1\x85" HOOKS "s."), "a tensor needs a storage"},
    {P(NAMED REBUILD STORAGE "K\0(K\1K\1K\1K\1K\1K\1K\1K\1K\1tK\1\x85" HOOKS "s."), "up to 8 dimensions"},
    {P(NAMED REBUILD STORAGE "J\xff\xff\xff\xffK\4\x85K\1\x85" HOOKS "s."), "a tensor needs a storage"},
    {P(NAMED REBUILD STORAGE "K\1K\4\x85K\1\x85" HOOKS "s."),
     "tensor w ends at byte 20 of its storage, which has 16"},
    {P(NAMED REBUILD STORAGE "K\0\x8a\x08\0\0\0\0\0\0\0\x40\x85K\1\x85" HOOKS "s."), "does not fit"},
    {P(NAMED REBUILD STORAGE "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7fK\4\x85K\1\x85" HOOKS "s."),
     "does not fit"},
    {P(NAMED REBUILD STORAGE "K\0K\2\x85K\2\x85" HOOKS "s."), "has gaps"},
    {P("\x80\2}(X\1\0\0\0w" TENSOR "X\1\0\0\0w" TENSOR "u."), "there are two tensors named w"},
    {P("\x80\2}(X\0\0\0\0" TENSOR "u."), "name is no text of 1 to 1024 bytes"},
    {P("\x80\2}(K\1" TENSOR "u."), "name is no text of 1 to 1024 bytes"},
    {P(NAMED REBUILD "(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0001X\3\0\0\0cpuK\4tQ"
                     "K\0K\4\x85K\1\x85" HOOKS "s."),
     "its storage 1 is not in the file"},
    {P(NAMED REBUILD "(X\7\0\0\0storagectorch\nUntypedStorage\nX\1\0\0\0000X\3\0\0\0cpuK\4tQ"
                     "K\0K\4\x85K\1\x85" HOOKS "s."),
     "untyped storage does not say its type"},
};

static void hostile_pickles_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof HOSTILE / sizeof *HOSTILE; i++)
        refuse_pickle(HOSTILE[i].pickle, HOSTILE[i].len, HOSTILE[i].says);
    /* every opcode on an empty stack, and on one value */
    for (unsigned op = 0; op < 256; op++) {
        const uint8_t bare[] = {0x80, 2, (uint8_t)op, '.'}, one[] = {0x80, 2, 'N', (uint8_t)op, '.'};
        refuse_pickle(bare, sizeof bare, NULL);
        refuse_pickle(one, sizeof one, NULL);
    }
    struct zip z = {0};
    zip_add(&z, "a/data.pkl", P(NAMED TENSOR "s."), (struct lie){0});
    zip_add(&z, "a/data/0", "0123456789abcdef", 16, (struct lie){0});
    struct hk_bytes good = zip_end(&z);
    struct read r;
    uint8_t *copy = read_bytes(good.data, good.len, &r);
    if (!r.ok) fail_msg("%s", r.err.text); /* what the rows above change is right by itself */
    assert_true(r.n == 1 && r.list[0].size == 16 && memcmp(r.list[0].data, "0123456789abcdef", 16) == 0);
    hk_arena_free(&r.arena);
    hk_bytes_free(&good);
    free(copy);
}

/* Nesting and sharing that a recursive reader, or one that copies, would not survive. */
static void nesting_does_no_harm(void **state)
{
    (void)state;
    enum { MANY = 300000 };
    struct hk_bytes b = {0};
    hk_test_put(&b, "\x80\2", 2);
    for (int i = 0; i < MANY; i++) hk_test_put(&b, "]", 1);
    for (int i = 1; i < MANY; i++) hk_test_put(&b, "a", 1);
    hk_test_put(&b, ".", 1);
    refuse_pickle(b.data, b.len, "holds no dictionary");
    b.len = 2;
    for (int i = 0; i < MANY; i++) hk_test_put(&b, "(", 1);
    for (int i = 0; i < MANY; i++) hk_test_put(&b, "t", 1);
    hk_test_put(&b, ".", 1);
    refuse_pickle(b.data, b.len, "holds no dictionary");
    b.len = 2;
    hk_test_put(&b, "]q\0", 3); /* a list in itself, and one that doubles with each step */
    hk_test_put(&b, "h\0a", 3);
    for (int i = 0; i < MANY; i++) hk_test_put(&b, "q\0h\0\x86", 5);
    hk_test_put(&b, ".", 1);
    refuse_pickle(b.data, b.len, "holds no dictionary");
    /* one long name for a million tensors */
    b.len = 2;
    hk_test_put(&b, "}", 1);
    hk_test_put(&b, "X\xe8\3\0\0", 5);
    for (int i = 0; i < 1000; i++) hk_test_put(&b, "n", 1);
    hk_test_put(&b, "q\0", 2);
    hk_test_put(&b, P(TENSOR "q\1s("));
    for (int i = 0; i < MANY; i++) hk_test_put(&b, "h\0h\1", 4);
    hk_test_put(&b, "u.", 2);
    refuse_pickle(b.data, b.len, "there are two tensors named nnn");
    b.len = 2;
    for (int i = 0; i < HK_PICKLE_MAX_BYTES / 8 + 1; i++) hk_test_put(&b, "NNNNNNNN", 8);
    refuse_pickle(b.data, b.len, "a pickle of more than 16777216 bytes");
    hk_bytes_free(&b);
}

static void archives_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct lie lie;
        const char *says;
    } BAD[] = {
        {"a/data/0", {.method = 8}, "entry a/data/0 is compressed (method 8)"},
        {"a/data/0", {.flags = 1}, "entry a/data/0 is encrypted"},
        {"a/data/0", {.size = 1000000}, "entry a/data/0 of 1000000 bytes"},
        {"a/data/0", {.size = UINT32_MAX}, "a zip64 entry without its sizes"},
        {"a/data/0", {.offset = 1000000}, "at offset 1000000 is not in the file"},
        {"a/data/0", {.offset = 3}, "at offset 3 is not in the file"},
        {"a/data.pkl", {0}, "there are two entries named a/data.pkl"},
        {"b/data/0", {0}, "its storage 0 is not in the file"},
    };
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        struct zip z = {0};
        zip_add(&z, "a/data.pkl", P(NAMED TENSOR "s."), (struct lie){0});
        zip_add(&z, BAD[i].name, "0123456789abcdef", 16, BAD[i].lie);
        struct hk_bytes out = zip_end(&z);
        expect_refusal(out.data, out.len, BAD[i].says);
        hk_bytes_free(&out);
    }
    struct zip z = {0};
    zip_add(&z, "readme.txt", "x", 1, (struct lie){0});
    struct hk_bytes out = zip_end(&z);
    expect_refusal(out.data, out.len, "is a zip archive without data.pkl");
    hk_bytes_free(&out);
    z = (struct zip){0};
    zip_add(&z, "a/data.pkl", P(NAMED TENSOR "s."), (struct lie){0});
    zip_add(&z, "a/byteorder", "big", 3, (struct lie){0});
    out = zip_end(&z);
    expect_refusal(out.data, out.len, "was saved on a big-endian machine");
    hk_bytes_free(&out);
}

static void damage_does_no_harm(void **state)
{
    (void)state;
    static const char *const FILES[] = {"zip2.bin", "old.bin"};
    uint64_t seed = 1;
    for (int f = 0; f < 2; f++) {
        struct hk_mapping *m = golden(FILES[f]);
        for (size_t len = 0; len < m->size; len++) expect_refusal(m->data, len, NULL);
        unsigned refused = 0;
        for (int round = 0; round < 4000; round++) {
            uint8_t *bytes = hk_test_copy(m->data, m->size);
            struct read r;
            for (uint64_t n = 1 + hk_test_random(&seed) % 3; n > 0; n--)
                bytes[hk_test_random(&seed) % m->size] = (uint8_t)hk_test_random(&seed);
            uint8_t *copy = read_bytes(bytes, m->size, &r);
            for (size_t i = 0; r.ok && i < r.n; i++)
                assert_true(r.list[i].data >= copy && r.list[i].data + r.list[i].size <= copy + m->size);
            refused += !r.ok;
            hk_arena_free(&r.arena);
            free(copy);
            free(bytes);
        }
        assert_true(refused > 400);
        hk_mapping_close(m);
    }
}

static void folders_open(void **state)
{
    (void)state;
    static const char CONFIG[] =
        "{\"model_type\":\"llama\",\"vocab_size\":6,\"hidden_size\":8,\"num_hidden_layers\":1,"
        "\"num_attention_heads\":2,\"intermediate_size\":12,\"max_position_embeddings\":64}";
    static const char PICKLE[] = "\x80\2}(X\x11\0\0\0model.norm.weight" TENSOR "u.";
    char folder[HK_TEST_PATH];
    struct hk_error err = {0};
    struct zip z = {0};
    zip_add(&z, "a/data.pkl", P(PICKLE), (struct lie){0});
    zip_add(&z, "a/data/0", "0123456789abcdef", 16, (struct lie){0});
    struct hk_bytes bin = zip_end(&z);
    hk_test_folder_make(folder);
    hk_test_write_text(folder, "config.json", CONFIG);
    hk_test_write(folder, "pytorch_model-00001-of-00001.bin", bin.data, bin.len);
    assert_null(hk_checkpoint_open(folder, NULL, &err));
    hk_test_error_says(&err,
                       "has weights only in pytorch_model-00001-of-00001.bin: pytorch_model.bin, its index");
    for (int round = 0; round < 2; round++) {
        if (round == 0)
            hk_test_write_text(
                folder, "pytorch_model.bin.index.json",
                "{\"weight_map\":{\"model.norm.weight\":\"pytorch_model-00001-of-00001.bin\"}}");
        else
            hk_test_write(folder, "pytorch_model.bin", bin.data, bin.len);
        struct hk_checkpoint *c = hk_checkpoint_open(folder, NULL, &err);
        if (!c) fail_msg("%s", err.text);
        assert_string_equal(c->format, "pytorch");
        const struct hk_ckpt_tensor *t = hk_checkpoint_tensor(c, "output_norm.weight");
        assert_true(t && t->type == HK_F32 && t->size == 16 && memcmp(t->data, "0123456789abcdef", 16) == 0);
        hk_checkpoint_close(c);
    }
    hk_test_write(folder, "pytorch_model.bin", "PK\3\4", 4);
    assert_null(hk_checkpoint_open(folder, NULL, &err));
    hk_test_error_says(&err, "pytorch_model.bin: truncated or damaged");
    hk_bytes_free(&bin);
    hk_test_folder_remove(folder);
}

/* A real model's two files: the same tensors, bit for bit. */
static void real_model_equals_its_safetensors(void **state)
{
    (void)state;
    char path[HK_TEST_PATH];
    struct hk_arena a = {0};
    struct hk_error err = {0};
    struct hk_st_tensor *want = NULL, *got = NULL;
    size_t n_want = 0, n_got = 0;
    struct hk_mapping *st = hk_mapping_open(hk_test_shared("models/tarotble/model.safetensors", path), &err);
    struct hk_mapping *bin = hk_mapping_open(hk_test_shared("models/tarotble/pytorch_model.bin", path), &err);
    if (!st || !bin || !hk_safetensors_parse(&a, st->data, st->size, "st", &want, &n_want, &err) ||
        !hk_torch_bin_parse(&a, bin->data, bin->size, "bin", &got, &n_got, &err))
        fail_msg("%s", err.text);
    assert_true(n_want >= 52 && n_got >= n_want);
    for (size_t i = 0; i < n_want; i++) same_tensor(find(got, n_got, want[i].name), &want[i]);
    hk_mapping_close(st);
    hk_mapping_close(bin);
    hk_arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_gives_the_same_tensors),
        cmocka_unit_test(files_of_other_things_are_refused),
        cmocka_unit_test(hostile_pickles_are_refused),
        cmocka_unit_test(nesting_does_no_harm),
        cmocka_unit_test(archives_are_checked),
        cmocka_unit_test(damage_does_no_harm),
        cmocka_unit_test(folders_open),
        cmocka_unit_test(real_model_equals_its_safetensors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
