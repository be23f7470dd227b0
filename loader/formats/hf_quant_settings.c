/* How the matrices of a Hugging Face folder are quantized, as config.json or a file of the method says it. */
#include "loader/formats/hf_quant.h"

#include <string.h>

static bool unsupported(const struct hk_json_at *at, const char *what)
{
    return hk_fail(at->err, HK_ERR_UNSUPPORTED, "%s: %s", at->file, what);
}

static bool read_gptq(const struct hk_json_at *at, struct hk_hf_quant *q)
{
    const char *format = "gptq";
    bool marlin = false;
    const cJSON *group = hk_json_get(at->obj, "group_size");
    q->method = HK_HF_QUANT_GPTQ;
    if (!hk_json_u32(at, "bits", HK_JSON_REQUIRED, 1, 32, &q->bits) ||
        !hk_json_string(at, "checkpoint_format", HK_JSON_OPTIONAL, &format) ||
        !hk_json_bool(at, "desc_act", HK_JSON_OPTIONAL, &q->any_order) ||
        !hk_json_bool(at, "is_marlin_format", HK_JSON_OPTIONAL, &marlin))
        return false;
    bool whole = cJSON_IsNumber(group) && group->valuedouble == -1.0;
    q->group = UINT32_MAX;
    if (!whole && !hk_json_u32(at, "group_size", HK_JSON_REQUIRED, 1, UINT32_MAX, &q->group)) return false;
    if (q->bits != 4 && q->bits != 8) return unsupported(at, "bits of 4 and 8 are supported");
    bool v2 = strcmp(format, "gptq_v2") == 0;
    if (marlin || (!v2 && strcmp(format, "gptq") != 0))
        return unsupported(at, "a checkpoint_format of gptq or gptq_v2 is supported");
    q->zero_add = v2 ? 0 : 1;
    return true;
}

static bool read_awq(const struct hk_json_at *at, struct hk_hf_quant *q)
{
    const char *version = "gemm";
    q->method = HK_HF_QUANT_AWQ;
    const char *bits = hk_json_get(at->obj, "bits") ? "bits" : "w_bit";
    const char *group = hk_json_get(at->obj, "group_size") ? "group_size" : "q_group_size";
    const cJSON *size = hk_json_get(at->obj, group);
    bool whole = cJSON_IsNumber(size) && size->valuedouble == -1.0;
    q->group = UINT32_MAX;
    if (!hk_json_u32(at, bits, HK_JSON_REQUIRED, 1, 32, &q->bits) ||
        (!whole && !hk_json_u32(at, group, HK_JSON_REQUIRED, 1, UINT32_MAX, &q->group)) ||
        !hk_json_string(at, "version", HK_JSON_OPTIONAL, &version))
        return false;
    if (q->bits != 4) return unsupported(at, "bits of 4 are supported");
    if (strcmp(version, "gemm") != 0 && strcmp(version, "GEMM") != 0)
        return unsupported(at, "version gemm is supported");
    return true;
}

/* [rows, columns] that share a scale; one size for all modules. */
static bool read_block(const cJSON *block, const char *key, const struct hk_json_at *at,
                       struct hk_hf_quant *q)
{
    uint64_t v[2];
    if (!block) return true;
    if (!cJSON_IsArray(block) || cJSON_GetArraySize(block) != 2 || !hk_json_is_u64(block->child, &v[0]) ||
        !hk_json_is_u64(block->child->next, &v[1]) || v[0] < 1 || v[1] < 1 || v[0] > 1 << 24 ||
        v[1] > 1 << 24)
        return hk_fail(at->err, HK_ERR_FORMAT, "%s: \"%s\" is not two integers from 1 to 2^24", at->file,
                       key);
    if (q->block[0] && (q->block[0] != v[0] || q->block[1] != v[1]))
        return hk_fail(at->err, HK_ERR_UNSUPPORTED, "%s: \"%s\" differs between modules: one is supported",
                       at->file, key);
    q->block[0] = (uint32_t)v[0];
    q->block[1] = (uint32_t)v[1];
    return true;
}

static bool read_fp8(const struct hk_json_at *at, struct hk_hf_quant *q)
{
    q->method = HK_HF_QUANT_FP8;
    return read_block(hk_json_get(at->obj, "weight_block_size"), "weight_block_size", at, q);
}

static bool read_modelopt(const struct hk_json_at *at, struct hk_hf_quant *q)
{
    const char *algorithm = "?";
    if (!hk_json_string(at, "quant_algo", HK_JSON_OPTIONAL, &algorithm)) return false;
    bool fp4 = strcmp(algorithm, "NVFP4") == 0;
    if (!fp4 && strcmp(algorithm, "FP8") != 0)
        return unsupported(at, "a quant_algo of FP8 or NVFP4 is supported");
    q->method = fp4 ? HK_HF_QUANT_NVFP4 : HK_HF_QUANT_FP8;
    return true;
}

/* Bits, groups and zeros are seen from the tensors: groups of modules may differ in them. */
static bool read_compressed_tensors(const struct hk_json_at *at, struct hk_hf_quant *q)
{
    static const char *const known_formats[] = {
        "pack-quantized",  "int-quantized",        "float-quantized",
        "naive-quantized", "nvfp4-pack-quantized", "mxfp4-pack-quantized",
        "mxfp8-quantized", "mixed-precision",      "dense"};
    const char *format = "dense", *sparsity = "dense";
    const struct hk_json_at sparse = {hk_json_get(at->obj, "sparsity_config"), at->file, at->err};
    const cJSON *group;
    q->method = HK_HF_QUANT_COMPRESSED_TENSORS;
    if (!hk_json_string(at, "format", HK_JSON_OPTIONAL, &format) ||
        (sparse.obj && !hk_json_string(&sparse, "format", HK_JSON_OPTIONAL, &sparsity)))
        return false;
    bool known = strcmp(sparsity, "dense") == 0, found = false;
    for (size_t i = 0; i < sizeof known_formats / sizeof *known_formats; i++)
        found = found || !strcmp(format, known_formats[i]);
    if (!known || !found)
        return unsupported(
            at, "pack-quantized, int-quantized, float-quantized, naive-quantized, nvfp4-pack-quantized, "
                "mxfp4-pack-quantized and mxfp8-quantized without sparsity are supported");
    cJSON_ArrayForEach(group, hk_json_get(at->obj, "config_groups"))
    {
        const cJSON *block = hk_json_get(hk_json_get(group, "weights"), "block_structure");
        if (!read_block(block, "block_structure", at, q)) return false;
    }
    return true;
}

bool hk_hf_quant_read(const cJSON *config, const char *file, struct hk_hf_quant *q, struct hk_error *err)
{
    static const struct {
        const char *name;
        bool (*read)(const struct hk_json_at *at, struct hk_hf_quant *q);
    } METHODS[] = {
        {"gptq", read_gptq},         {"awq", read_awq},
        {"fp8", read_fp8},           {"fbgemm_fp8", read_fp8},
        {"modelopt", read_modelopt}, {"compressed-tensors", read_compressed_tensors},
    };
    const cJSON *old = hk_json_get(config, "compression_config"); /* compressed-tensors, up to 2024 */
    const cJSON *now = hk_json_get(config, "quantization_config");
    const struct hk_json_at at = {now ? now : old, file, err};
    const char *method = "?";
    *q = (struct hk_hf_quant){0};
    if (!at.obj) return true;
    if (!cJSON_IsObject(at.obj) || !hk_json_string(&at, "quant_method", HK_JSON_OPTIONAL, &method))
        return hk_fail(err, HK_ERR_FORMAT,
                       "%s: \"quantization_config\" is no object that names its quant_method", file);
    for (size_t i = 0; i < sizeof METHODS / sizeof *METHODS; i++) {
        if (strcmp(method, METHODS[i].name) != 0) continue;
        return METHODS[i].read(&at, q) || hk_fail_prefix(err, "quantization_config of %s", method);
    }
    return hk_fail(
        err, HK_ERR_UNSUPPORTED,
        "%s: the weights are quantized by \"%.80s\": gptq, awq, fp8, fbgemm_fp8, modelopt (FP8, NVFP4) and "
        "compressed-tensors are supported",
        file, method);
}

bool hk_hf_quant_read_file(enum hk_hf_quant_file kind, const cJSON *json, const char *file,
                           struct hk_hf_quant *q, struct hk_error *err)
{
    static bool (*const READ[])(const struct hk_json_at *at, struct hk_hf_quant *q) = {
        [HK_HF_QUANT_FILE_GPTQ] = read_gptq,
        [HK_HF_QUANT_FILE_AWQ] = read_awq,
        [HK_HF_QUANT_FILE_MODELOPT] = read_modelopt,
    };
    bool inside = kind == HK_HF_QUANT_FILE_MODELOPT;
    const struct hk_json_at at = {inside ? hk_json_get(json, "quantization") : json, file, err};
    *q = (struct hk_hf_quant){0};
    if (!cJSON_IsObject(at.obj)) return hk_fail(err, HK_ERR_FORMAT, "%s: is no JSON object", file);
    /* ModelOpt's file is there too where the cache alone is quantized */
    if (inside && !cJSON_IsString(hk_json_get(at.obj, "quant_algo"))) return true;
    return READ[kind](&at, q);
}
