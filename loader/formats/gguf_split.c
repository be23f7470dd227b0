/* Models that were split over several GGUF files, NAME-00001-of-00003.gguf and so on. Each part has keys
 * split.no (from 0), split.count and split.tensors.count (of the whole model); the first one has all others.
 * Any part's name opens the whole. */
#include "loader/formats/gguf.h"

#include <stdio.h>
#include <string.h>

enum { MAX_PARTS = 65535, TAIL_CAPACITY = 48 };

struct part {
    const char *path;
    struct hk_gguf g;
    struct hk_ckpt_tensor *tensors;
    uint32_t n_tensors;
};

struct split {
    uint32_t no, count, n_tensors;
};

static bool read_split(const struct hk_gguf *g, struct split *s, bool *found)
{
    bool has_no = false, has_total = false;
    *s = (struct split){.count = 1};
    if (!hk_gguf_u32(g, "split.count", 0, MAX_PARTS, &s->count, found)) return false;
    if (!*found || s->count <= 1) return true;
    if (!hk_gguf_u32(g, "split.no", 0, s->count - 1, &s->no, &has_no) ||
        !hk_gguf_u32(g, "split.tensors.count", 0, INT32_MAX, &s->n_tensors, &has_total))
        return false;
    if (has_no && has_total) return true;
    return hk_fail(g->err, HK_ERR_FORMAT, "%s: key split.%s is missing: a part of a split model needs it",
                   g->file, has_no ? "tensors.count" : "no");
}

bool hk_gguf_is_split(const struct hk_gguf *g, bool *split)
{
    struct split s;
    bool found;
    *split = false;
    if (!read_split(g, &s, &found)) return false;
    *split = found && s.count > 1;
    return true;
}

static void part_tail(char out[TAIL_CAPACITY], uint32_t no, uint32_t count)
{
    snprintf(out, TAIL_CAPACITY, "-%05u-of-%05u.gguf", no + 1, count);
}

/* The path of part `no`, made from that of part `named`, whose tail has been checked. */
static char *part_path(struct hk_checkpoint *c, uint32_t named, uint32_t no, uint32_t count,
                       struct hk_error *err)
{
    char tail[TAIL_CAPACITY];
    part_tail(tail, named, count);
    size_t front = strlen(c->path) - strlen(tail);
    char *path = hk_arena_strndup(&c->arena, c->path, strlen(c->path), err);
    part_tail(tail, no, count);
    if (path) memcpy(path + front, tail, strlen(tail)); /* of the same length: no and count have 5 digits */
    return path;
}

/* Takes what hk_gguf_parse left in c. */
static void take_tensors(struct hk_checkpoint *c, struct part *p)
{
    p->tensors = c->tensors;
    p->n_tensors = c->n_tensors;
    c->tensors = NULL;
    c->n_tensors = 0;
}

static bool open_part(struct hk_checkpoint *c, struct part *p, uint32_t no, const struct split *want,
                      struct hk_error *err)
{
    struct split s;
    bool found;
    if (hk_path_kind(p->path) == HK_PATH_MISSING)
        return hk_fail(err, HK_ERR_IO, "%s: is missing: part %u of the %u that %s belongs to", p->path,
                       no + 1, want->count, hk_path_base(c->path));
    const struct hk_mapping *m = hk_checkpoint_map(c, p->path, err);
    if (!m || !hk_gguf_parse(c, m->data, m->size, p->path, &p->g, err) || !read_split(&p->g, &s, &found))
        return false;
    take_tensors(c, p);
    if (!found || s.count <= 1)
        return hk_fail(err, HK_ERR_FORMAT, "%s: is no part of a split model, though its name says so",
                       p->path);
    if (s.no != no || s.count != want->count)
        return hk_fail(err, HK_ERR_FORMAT,
                       "%s: says that it is part %u of %u: part %u of %u is needed under this name", p->path,
                       s.no + 1, s.count, no + 1, want->count);
    if (s.n_tensors != want->n_tensors)
        return hk_fail(err, HK_ERR_FORMAT,
                       "%s: is a part of a model of %u tensors, %s of one of %u: they do not belong together",
                       p->path, s.n_tensors, hk_path_base(c->path), want->n_tensors);
    return true;
}

/* Later parts may repeat the architecture, but not change it. */
static bool same_architecture(const struct part *first, const struct part *p)
{
    struct hk_gguf_string a = {"", 0}, b = {"", 0};
    bool found = false;
    if (!hk_gguf_str(&first->g, "general.architecture", &a, NULL) ||
        !hk_gguf_str(&p->g, "general.architecture", &b, &found))
        return false;
    if (!found || (a.len == b.len && memcmp(a.text, b.text, (size_t)a.len) == 0)) return true;
    return hk_fail(p->g.err, HK_ERR_FORMAT,
                   "%s: general.architecture is not that of the first part: they do not belong together",
                   p->path);
}

static bool join(struct hk_checkpoint *c, struct part *parts, const struct split *s, struct hk_error *err)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < s->count; i++) total += parts[i].n_tensors;
    if (total != s->n_tensors)
        return hk_fail(
            err, HK_ERR_FORMAT,
            "%s: the %u parts have %llu tensors together, split.tensors.count says %u: a part is of "
            "another model",
            c->path, s->count, (unsigned long long)total, s->n_tensors);
    c->tensors = hk_arena_alloc(&c->arena, (size_t)total, sizeof *c->tensors, err);
    if (!c->tensors) return false;
    for (uint32_t i = 0; i < s->count; i++) {
        if (!same_architecture(&parts[0], &parts[i])) return false;
        if (parts[i].n_tensors)
            memcpy(c->tensors + c->n_tensors, parts[i].tensors, parts[i].n_tensors * sizeof *c->tensors);
        c->n_tensors += parts[i].n_tensors;
    }
    return hk_checkpoint_sort_tensors(c, c->path, err);
}

bool hk_gguf_join_parts(struct hk_checkpoint *c, const struct hk_mapping *m, struct hk_gguf *g,
                        struct hk_error *err)
{
    struct split s;
    bool found;
    char tail[TAIL_CAPACITY];
    if (!read_split(g, &s, &found)) return false;
    if (m->kind == HK_MAPPING_STATIC)
        return hk_fail(err, HK_ERR_UNSUPPORTED,
                       "%s: is part %u of %u of a split model: only a whole one can be opened in memory "
                       "(gguf-split --merge makes one)",
                       c->path, s.no + 1, s.count);
    part_tail(tail, s.no, s.count);
    size_t len = strlen(c->path), tail_len = strlen(tail);
    if (len < tail_len || strcmp(c->path + len - tail_len, tail) != 0)
        return hk_fail(err, HK_ERR_FORMAT,
                       "%s: is part %u of %u of a split model: its name must end in %s, so that the other "
                       "parts are found beside it",
                       c->path, s.no + 1, s.count, tail);
    struct part *parts = hk_arena_alloc(&c->arena, s.count, sizeof *parts, err);
    if (!parts) return false;
    parts[s.no] = (struct part){.path = c->path, .g = *g};
    take_tensors(c, &parts[s.no]);
    for (uint32_t i = 0; i < s.count; i++) {
        if (i == s.no) continue;
        parts[i].path = part_path(c, s.no, i, s.count, err);
        if (!parts[i].path || !open_part(c, &parts[i], i, &s, err)) return false;
    }
    *g = parts[0].g;
    return join(c, parts, &s, err);
}
