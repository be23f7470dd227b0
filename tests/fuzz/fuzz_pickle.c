/* Any bytes as a file of torch.save's; and, because few mutations keep an archive whole, as the pickle inside
 * one with a storage "0" of 64 bytes. */
#include "loader/formats/torch_bin.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_FILE = 1 << 16, STORAGE_BYTES = 64 };

static void parse(const uint8_t *data, size_t size)
{
    struct hk_arena arena = {0};
    struct hk_error err = {0};
    struct hk_st_tensor *list = NULL;
    size_t n = 0;
    bool ok = hk_torch_bin_parse(&arena, data, size, "fuzz.bin", &list, &n, &err);
    if (!ok && !err.text[0]) __builtin_trap(); /* refused without a reason */
    if (ok && n == 0) __builtin_trap();
    for (size_t i = 0; ok && i < n; i++) {
        const struct hk_st_tensor *t = &list[i];
        if (t->data < data || t->data > data + size || t->size > (size_t)(data + size - t->data))
            __builtin_trap();
        if (!t->name[0] || !t->dtype[0]) __builtin_trap();
    }
    hk_arena_free(&arena);
}

static void put(uint8_t *p, uint32_t v, int bytes)
{
    for (int i = 0; i < bytes; i++) p[i] = (uint8_t)(v >> 8 * i);
}

static size_t put_local(uint8_t *file, size_t at, const char *name, const uint8_t *data, size_t size)
{
    size_t len = strlen(name);
    memcpy(file + at, "PK\3\4", 4);
    put(file + at + 26, (uint32_t)len, 2);
    memcpy(file + at + 30, name, len);
    if (size) memcpy(file + at + 30 + len, data, size);
    return at + 30 + len + size;
}

static size_t put_central(uint8_t *file, size_t at, const char *name, size_t offset, size_t size)
{
    size_t len = strlen(name);
    memcpy(file + at, "PK\1\2", 4);
    put(file + at + 20, (uint32_t)size, 4);
    put(file + at + 24, (uint32_t)size, 4);
    put(file + at + 28, (uint32_t)len, 2);
    put(file + at + 42, (uint32_t)offset, 4);
    memcpy(file + at + 46, name, len);
    return at + 46 + len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t storage[STORAGE_BYTES] = {1, 2, 3};
    static uint8_t file[MAX_FILE]; /* only within one call */
    parse(data, size);
    if (size > MAX_FILE - 1024) return 0;
    memset(file, 0, size + 1024);
    size_t second = put_local(file, 0, "a/data.pkl", data, size);
    size_t directory = put_local(file, second, "a/data/0", storage, STORAGE_BYTES);
    size_t end = put_central(file, directory, "a/data.pkl", 0, size);
    end = put_central(file, end, "a/data/0", second, STORAGE_BYTES);
    memcpy(file + end, "PK\5\6", 4);
    put(file + end + 8, 2, 2);
    put(file + end + 10, 2, 2);
    put(file + end + 12, (uint32_t)(end - directory), 4);
    put(file + end + 16, (uint32_t)directory, 4);
    parse(file, end + 22);
    return 0;
}
