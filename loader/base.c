/* Errors, checked arithmetic and arenas. */
#include "loader/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* File contents are quoted in errors: nothing in them may move the cursor or break the line. */
static void make_one_line(char *s)
{
    for (; *s; s++) {
        unsigned char ch = (unsigned char)*s;
        if (ch < 0x20 || ch == 0x7f) *s = '?';
    }
}

/* A text cut to the buffer may end within a UTF-8 character: drop the incomplete one. */
static void trim_cut_character(char *s, size_t capacity)
{
    size_t len = strlen(s), back = 0;
    if (len + 1 < capacity) return;
    while (back < 3 && back < len && ((unsigned char)s[len - 1 - back] & 0xC0) == 0x80) back++;
    if (back < len && ((unsigned char)s[len - 1 - back] & 0xC0) == 0xC0) s[len - 1 - back] = 0;
}

static void set_text(struct hk_error *err, const char *text)
{
    size_t len = strlen(text);
    if (len >= sizeof err->text) len = sizeof err->text - 1;
    memcpy(err->text, text, len);
    err->text[len] = 0;
    trim_cut_character(err->text, sizeof err->text);
    make_one_line(err->text);
}

bool hk_fail(struct hk_error *err, enum hk_code code, const char *fmt, ...)
{
    if (!err) return false;
    /* formatted aside, because the arguments may quote err->text itself */
    char text[sizeof err->text];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    err->code = code;
    set_text(err, text);
    return false;
}

bool hk_fail_prefix(struct hk_error *err, const char *fmt, ...)
{
    if (!err) return false;
    char text[2 * sizeof err->text];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof err->text, fmt, args);
    va_end(args);
    size_t len = n < 0 ? 0 : strlen(text);
    snprintf(text + len, sizeof text - len, ": %s", err->text);
    set_text(err, text);
    return false;
}

bool hk_mul_u64(uint64_t a, uint64_t b, uint64_t *out)
{
    if (b != 0 && a > UINT64_MAX / b) return false;
    *out = a * b;
    return true;
}

bool hk_add_u64(uint64_t a, uint64_t b, uint64_t *out)
{
    if (a > UINT64_MAX - b) return false;
    *out = a + b;
    return true;
}

uint64_t hk_div_up(uint64_t a, uint64_t b)
{
    return a / b + (a % b != 0);
}

uint64_t hk_align_up(uint64_t a, uint64_t b)
{
    return hk_div_up(a, b) * b;
}

static void *out_of_memory(struct hk_error *err, size_t count, size_t size)
{
    hk_fail(err, HK_ERR_MEMORY, "out of memory: %zu objects of %zu bytes were asked for", count, size);
    return NULL;
}

void *hk_calloc(size_t count, size_t size, struct hk_error *err)
{
    if (size != 0 && count > SIZE_MAX / size) return out_of_memory(err, count, size);
    void *p = count == 0 || size == 0 ? calloc(1, 1) : calloc(count, size);
    return p ? p : out_of_memory(err, count, size);
}

uint64_t hk_hash(uint64_t h, const void *data, size_t n)
{
    const unsigned char *p = data;
    for (size_t i = 0; i < n; i++) h = (h ^ p[i]) * UINT64_C(0x100000001b3);
    return h;
}

struct hk_arena_block {
    struct hk_arena_block *next;
    size_t capacity;
    _Alignas(16) unsigned char data[];
};

enum { ARENA_ALIGN = 16, ARENA_FIRST_BLOCK = 16 * 1024, ARENA_LARGEST_STEP = 1024 * 1024 };

void *hk_arena_alloc(struct hk_arena *a, size_t count, size_t size, struct hk_error *err)
{
    const size_t limit = SIZE_MAX / 2;
    if (size != 0 && count > limit / size) return out_of_memory(err, count, size);
    size_t need = count * size;
    need = need == 0 ? ARENA_ALIGN : (need + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
    if (!a->blocks || need > a->capacity - a->used) {
        size_t step = a->blocks ? a->capacity * 2 : ARENA_FIRST_BLOCK;
        if (step > ARENA_LARGEST_STEP) step = ARENA_LARGEST_STEP;
        size_t capacity = need > step ? need : step;
        struct hk_arena_block *b = calloc(1, sizeof *b + capacity);
        if (!b) return out_of_memory(err, count, size);
        b->next = a->blocks;
        b->capacity = capacity;
        a->blocks = b;
        a->capacity = capacity;
        a->used = 0;
    }
    void *p = a->blocks->data + a->used;
    a->used += need;
    return p;
}

char *hk_arena_strndup(struct hk_arena *a, const char *s, size_t len, struct hk_error *err)
{
    if (len == SIZE_MAX) return out_of_memory(err, len, 1);
    char *p = hk_arena_alloc(a, len + 1, 1, err);
    if (p && len) memcpy(p, s, len);
    return p;
}

void hk_arena_free(struct hk_arena *a)
{
    for (struct hk_arena_block *b = a->blocks, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    *a = (struct hk_arena){0};
}

bool hk_bytes_append(struct hk_bytes *b, const void *data, size_t len, struct hk_error *err)
{
    if (len > SIZE_MAX / 4 || b->len > SIZE_MAX / 4) return out_of_memory(err, len, 1), false;
    size_t need = b->len + len + 1;
    if (need > b->capacity) {
        size_t capacity = b->capacity * 2 > need ? b->capacity * 2 : need;
        if (capacity < 64) capacity = 64;
        char *p = realloc(b->data, capacity);
        if (!p) return out_of_memory(err, capacity, 1), false;
        b->data = p;
        b->capacity = capacity;
    }
    if (len) memcpy(b->data + b->len, data, len);
    b->len += len;
    b->data[b->len] = 0;
    return true;
}

void hk_bytes_free(struct hk_bytes *b)
{
    free(b->data);
    *b = (struct hk_bytes){0};
}
