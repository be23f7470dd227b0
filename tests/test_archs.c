/* Descriptions of architectures: derived from one another, their names and rows both ways, and the identity of what a
 * model has bound by them. */
#include "tests/rig.h"

#include "loader/archs/archs.h"
#include "loader/formats/hf.h"
#include "runtime/model.h"

#include <stdio.h>

static const struct hk_arch_tensor *row_named(const struct hk_arch *a, const char *name)
{
    const struct hk_arch_tensor *t;
    for (size_t i = 0; (t = hk_arch_tensor(a, i)) != NULL; i++)
        if (strcmp(t->name, name) == 0) return t;
    return NULL;
}

static size_t count(const struct hk_arch *a)
{
    size_t n = 0;
    while (hk_arch_tensor(a, n)) n++;
    return n;
}

/* "llama, with other q, without the biases of k, and with q_norm" */
static void one_derived_from_another(void **state)
{
    (void)state;
    static const struct hk_arch_tensor OWN[] = {
        {"blk.#.attn_k", "layers.#.attn.k", DIM_KV, DIM_EMBD, HK_ROTATED, "qkv"},
        {"blk.#.attn_q_norm", "layers.#.q_norm", DIM_ONE, DIM_HEAD},
        {0},
    };
    const struct hk_arch derived = {
        .name = "derived", .base = &hk_arch_llama, .tensors = OWN, .config = &hk_llama_config};
    assert_int_equal(count(&derived), count(&hk_arch_llama) + 1);
    for (size_t i = 0; i < count(&hk_arch_llama); i++) /* the base's order: of a stack it is the rows' */
        assert_string_equal(hk_arch_tensor(&derived, i)->name, hk_arch_tensor(&hk_arch_llama, i)->name);
    assert_ptr_equal(row_named(&derived, "blk.#.attn_k"), &OWN[0]);
    assert_ptr_equal(row_named(&derived, "blk.#.attn_q"), row_named(&hk_arch_llama, "blk.#.attn_q"));
    assert_ptr_equal(hk_arch_tensor(&derived, count(&hk_arch_llama)), &OWN[1]);

    char name[HK_MAX_TENSOR_NAME];
    unsigned flags;
    assert_true(hk_hf_translate(&derived, "model.layers.12.q_norm.weight", name, &flags));
    assert_string_equal(name, "blk.12.attn_q_norm.weight");
    assert_true(hk_hf_translate(&derived, "model.layers.12.self_attn.q_proj.bias", name, &flags));
    assert_string_equal(name, "blk.12.attn_q.bias");
    assert_false(hk_hf_translate(&derived, "model.layers.12.self_attn.k_proj.weight", name, &flags));
}

static void names_both_ways(void **state)
{
    (void)state;
    const struct hk_arch *a;
    const struct hk_arch_tensor *t;
    for (size_t i = 0; (a = hk_arch_at(i)) != NULL; i++) {
        assert_non_null(hk_arch_find(a->name));
        for (size_t k = 0; (t = hk_arch_tensor(a, k)) != NULL; k++) {
            struct hk_name_numbers n = {.layer = 17, .expert = 3}, back = {0};
            char hf[HK_MAX_TENSOR_NAME], gguf[HK_MAX_TENSOR_NAME], again[HK_MAX_TENSOR_NAME];
            unsigned flags;
            hk_name_expand(gguf, t->name, n, ".weight");
            const char *rest = hk_name_match(t->name, gguf, &back);
            assert_true(rest && strcmp(rest, ".weight") == 0);
            assert_int_equal(back.layer, hk_arch_in_layers(t) ? 17 : 0);
            if (!hk_arch_hf_name(a, t, n, ".weight", hf)) {
                assert_null(t->hf);
                continue;
            }
            assert_true(hk_hf_translate(a, hf, again, &flags));
            assert_string_equal(again, gguf);
            assert_int_equal(flags, t->flags & HK_TRANSPOSED ? HK_HF_TRANSPOSED : 0);
        }
    }
    char long_name[HK_MAX_TENSOR_NAME], pattern[600];
    memset(pattern, '#', sizeof pattern - 1);
    pattern[sizeof pattern - 1] = 0;
    hk_name_expand(long_name, pattern, (struct hk_name_numbers){123456, 0}, ".weight"); /* is cut */
    assert_int_equal(strlen(long_name), HK_MAX_TENSOR_NAME - 1);
}

static void rotated_rows_both_ways(void **state)
{
    (void)state;
    const struct hk_hparams hp = {.head_dim = 12, .rope_dim = 8};
    /* value i of halves and its partner i + 4 become neighbours; 8.. do not rotate */
    static const uint32_t PLACE[12] = {0, 2, 4, 6, 1, 3, 5, 7, 8, 9, 10, 11};
    for (uint32_t r = 0; r < 36; r++) {
        uint64_t there = hk_rope_row(&hp, r, HK_ROPE_HALVES, HK_ROPE_INTERLEAVED);
        assert_int_equal(there, r / 12 * 12 + PLACE[r % 12]);
        assert_int_equal(hk_rope_row(&hp, there, HK_ROPE_INTERLEAVED, HK_ROPE_HALVES), r);
        assert_int_equal(hk_rope_row(&hp, r, HK_ROPE_HALVES, HK_ROPE_HALVES), r);
    }
}

/* Every tensor of a folder is bound, under the name that the folder has for it; parts lie in their matrix one after
 * the other. */
static void a_model_knows_its_tensors(void **state)
{
    (void)state;
    static const char *const NAMES[] = {"llama-gqa", "llama-biases", "gpt2", "llama-reward"};
    for (size_t k = 0; k < sizeof NAMES / sizeof *NAMES; k++) {
        char path[HK_TEST_PATH];
        struct rig r = rig_open(golden_path(NAMES[k], "", path), HK_WEIGHT_TYPE_COUNT, NULL);
        const struct hk_model *m = r.model;
        assert_int_equal(m->n_bindings, r.ckpt->n_tensors);
        for (size_t i = 0; i < m->n_bindings; i++) {
            const struct binding *b = &m->bindings[i];
            char hf[HK_MAX_TENSOR_NAME], name[HK_MAX_TENSOR_NAME];
            unsigned flags;
            assert_true(hk_arch_hf_name(m->arch, b->row, b->numbers, b->bias ? ".bias" : ".weight", hf));
            assert_true(hk_hf_translate(m->arch, hf, name, &flags));
            assert_string_equal(name, b->tensor->name);
            if (hk_arch_in_layers(b->row)) assert_true(b->numbers.layer < m->hp.n_layer);
            if (!b->w) continue;
            assert_true(b->first_row + b->rows <= b->w->rows);
            const struct binding *before = i > 0 && b[-1].w == b->w ? b - 1 : NULL;
            assert_int_equal(b->first_row, before ? before->first_row + before->rows : 0);
        }
        rig_close(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_derived_from_another),
        cmocka_unit_test(names_both_ways),
        cmocka_unit_test(rotated_rows_both_ways),
        cmocka_unit_test(a_model_knows_its_tensors),
    };
    return rig_main("reference", tests, sizeof tests / sizeof *tests);
}
