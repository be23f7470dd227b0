/* Every embedded kernel, in every variant that the engine may choose on this device, through the device's
 * compiler. Nothing is submitted and no memory is allocated, so a driver without its hardware will do
 * (compile_everywhere.sh). A line for each variant: what the compiler says of it, where it says anything.
 *
 *   compile_kernels [--device D] [--only PREFIX] [--text DIR]
 *
 * --only: kernels whose names begin so. --text: the driver's own representations (NIR, machine code) into
 * files. Exit status: 1 when a kernel was refused, 77 when there is no device or it is below the floor. */
#include "runtime/gpu/internal.h"

#include "runtime/os.h"
#include "runtime/gpu/shader_table.h"
#include "runtime/tune.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/checkpoint.h" /* enum hk_activation */

struct run {
    struct gpu *g;
    const struct hk_device_caps *caps;
    const char *text_dir;
    const char *kernel; /* the shader at hand, and how many variants of it were tried */
    uint32_t n_variants;
    struct gpu_kernel *seen[1024]; /* those of the shader at hand */
    uint32_t n_seen;
    uint32_t kernels, variants, failed, left_out, spilling;
};

/* ---- what the compiler says ---- */

static bool contains(const char *name, const char *part)
{
    size_t n = strlen(part);
    for (; *name; name++) {
        size_t i = 0;
        while (i < n && (name[i] | 0x20) == part[i]) i++;
        if (i == n) return true;
    }
    return false;
}

static double number(const VkPipelineExecutableStatisticKHR *s)
{
    switch (s->format) {
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_BOOL32_KHR:
        return s->value.b32;
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_INT64_KHR:
        return (double)s->value.i64;
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_UINT64_KHR:
        return (double)s->value.u64;
    default:
        return s->value.f64;
    }
}

/* Whether a statistic counts what lies in memory but should be in registers; every driver has its own words. */
static bool in_memory(const char *name)
{
    if (contains(name, "to reg")) return false; /* NVK: out of uniform registers or predicates into others */
    return contains(name, "spill") || contains(name, "scratch") || contains(name, "slm size") ||
           !strcmp(name, "STP Count"); /* Turnip: stores to private memory */
}

/* Prints the statistics; whether something went to memory that should be in registers. */
static bool print_statistics(struct gpu *g, const VkPipelineExecutableInfoKHR *which)
{
    VkPipelineExecutableStatisticKHR list[64];
    uint32_t n = sizeof list / sizeof *list;
    for (uint32_t i = 0; i < n; i++)
        list[i] =
            (VkPipelineExecutableStatisticKHR){.sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_STATISTIC_KHR};
    VkResult r = g->vk.vkGetPipelineExecutableStatisticsKHR(g->device, which, &n, list);
    if (r != VK_SUCCESS && r != VK_INCOMPLETE) return false;
    bool spills = false;
    for (uint32_t i = 0; i < n; i++) {
        double value = number(&list[i]);
        printf("; %s %.10g", list[i].name, value);
        spills |= value > 0 && in_memory(list[i].name);
    }
    return spills;
}

/* The driver's texts of a variant, one file each: NIR, assembler. */
static void write_text(struct run *run, const VkPipelineExecutableInfoKHR *which, const char *variant)
{
    struct gpu *g = run->g;
    VkPipelineExecutableInternalRepresentationKHR list[16];
    uint32_t n = sizeof list / sizeof *list;
    for (uint32_t i = 0; i < n; i++)
        list[i] = (VkPipelineExecutableInternalRepresentationKHR){
            .sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INTERNAL_REPRESENTATION_KHR};
    if (g->vk.vkGetPipelineExecutableInternalRepresentationsKHR(g->device, which, &n, list) < 0) return;
    for (uint32_t i = 0; i < n; i++) list[i].pData = malloc(list[i].dataSize + 1);
    if (g->vk.vkGetPipelineExecutableInternalRepresentationsKHR(g->device, which, &n, list) < 0) n = 0;
    for (uint32_t i = 0; i < n; i++) {
        char path[1024];
        snprintf(path, sizeof path, "%s/%s-%s-%s", run->text_dir, run->kernel, variant, list[i].name);
        for (char *c = path + strlen(run->text_dir) + 1; *c; c++)
            if (*c == '/' || *c == ' ') *c = '_';
        FILE *f = list[i].pData ? fopen(path, "wb") : NULL;
        if (!f) continue;
        const char *end = memchr(list[i].pData, 0, list[i].dataSize);
        fwrite(list[i].pData, 1, end ? (size_t)(end - (char *)list[i].pData) : list[i].dataSize, f);
        fclose(f);
    }
    for (uint32_t i = 0; i < sizeof list / sizeof *list; i++) free(list[i].pData);
}

static void describe(struct run *run, const struct gpu_kernel *k, const char *variant)
{
    struct gpu *g = run->g;
    if (!g->probe->enabled.executables.pipelineExecutableInfo) return;
    const VkPipelineInfoKHR info = {.sType = VK_STRUCTURE_TYPE_PIPELINE_INFO_KHR, .pipeline = k->pipeline};
    VkPipelineExecutablePropertiesKHR list[4];
    uint32_t n = sizeof list / sizeof *list;
    for (uint32_t i = 0; i < n; i++)
        list[i] = (VkPipelineExecutablePropertiesKHR){
            .sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_PROPERTIES_KHR};
    if (g->vk.vkGetPipelineExecutablePropertiesKHR(g->device, &info, &n, list) < 0) return;
    bool spills = false;
    for (uint32_t i = 0; i < n; i++) {
        const VkPipelineExecutableInfoKHR which = {.sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INFO_KHR,
                                                   .pipeline = k->pipeline,
                                                   .executableIndex = i};
        printf("; subgroup %u", list[i].subgroupSize);
        spills |= print_statistics(g, &which);
        if (run->text_dir) write_text(run, &which, variant);
    }
    if (spills) printf("; SPILLS");
    run->spilling += spills;
}

/* ---- one variant ---- */

static void try_variant(struct run *run, const uint32_t *spec, uint32_t n_spec)
{
    char variant[128] = "";
    for (uint32_t i = 0; i < n_spec; i++)
        snprintf(variant + strlen(variant), sizeof variant - strlen(variant), "%s%u", i ? "/" : "", spec[i]);
    struct hk_error err = {0};
    double start = hk_os_seconds();
    struct gpu_kernel *k = gpu_kernel_get(run->g, run->kernel, spec, n_spec, &err);
    run->n_variants++;
    for (uint32_t i = 0; k && i < run->n_seen; i++)
        if (run->seen[i] == k) return;
    if (k && run->n_seen < sizeof run->seen / sizeof *run->seen) run->seen[run->n_seen++] = k;
    run->variants++;
    if (!k && err.code == HK_ERR_UNSUPPORTED && !strstr(err.text, "workgroups of")) {
        run->left_out++;
        printf("none %s %s: %s\n", run->kernel, variant, err.text);
        return;
    }
    printf("%s %s %s; %.0f ms", k ? "ok  " : "FAIL", run->kernel, variant, (hk_os_seconds() - start) * 1e3);
    if (k)
        describe(run, k, variant);
    else
        printf(": %s", err.text);
    printf("\n");
    fflush(stdout); /* a compiler may crash in the next */
    run->failed += !k;
}

/* ---- the variants, as ops_vulkan.c chooses them ---- */

/* Sizes whose workgroups are the smallest and the largest. */
static const uint32_t few_cols = 8, many_cols = 1u << 16;

static void lanes_alone(struct run *run)
{
    for (int many = 0; many < 2; many++) {
        uint32_t lanes = tune_row_lanes(run->caps, many ? many_cols : few_cols);
        try_variant(run, &lanes, 1);
    }
}

static void lanes_and_choice(struct run *run, uint32_t n_choices)
{
    for (uint32_t i = 0; i < 2 * n_choices; i++) {
        uint32_t spec[] = {tune_row_lanes(run->caps, i % 2 ? many_cols : few_cols), i / 2};
        try_variant(run, spec, 2);
    }
}

static void lanes_and_either(struct run *run)
{
    lanes_and_choice(run, 2);
}

static void activate(struct run *run)
{
    lanes_and_choice(run, HK_ACT_RELU + 1);
}

static void attention(struct run *run)
{
    static const uint32_t head_dim[] = {32, 64, 128, 256};
    for (uint32_t f16 = 0; f16 < 2; f16++)
        for (size_t i = 0; i < sizeof head_dim / sizeof *head_dim; i++) {
            uint32_t spec[] = {tune_attention_lanes(run->caps, head_dim[i] / (f16 ? 8 : 4)), f16};
            try_variant(run, spec, 2);
        }
}

static void matmul_variant(struct run *run, const struct matmul_variant *v)
{
    uint32_t spec[GPU_MAX_SPEC], n = tune_matmul_spec(run->caps, v, spec);
    try_variant(run, spec, n);
}

static void matmul(struct run *run, enum matmul_kind kind)
{
    static const uint32_t tokens[] = {1, 2, 4, 16, 64};
    const char *type_name =
        run->kernel + (kind == MATMUL_COOPMAT ? strlen("matmul_coopmat_") : strlen("matvec_"));
    struct hk_weight_layout layout;
    struct hk_error err = {0};
    if (!hk_weight_layout(hk_weight_type_by_name(type_name), 4096, 4096, &layout, &err)) {
        printf("FAIL %s: %s\n", run->kernel, err.text);
        run->failed++;
        return;
    }
    if (kind == MATMUL_COOPMAT && !run->caps->coopmat) {
        printf("none %s: the device has no cooperative matrices that fit\n", run->kernel);
        run->n_variants++;
        run->left_out++;
        return;
    }
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
        struct matmul_variant list[TUNE_MAX_CANDIDATES + 1];
        uint32_t n = tune_matmul_candidates(run->caps, tokens[i], list);
        list[n++] = tune_matmul(run->caps, &layout, tokens[i]);
        for (uint32_t j = 0; j < n; j++)
            if (list[j].kind == (uint32_t)kind) matmul_variant(run, &list[j]);
    }
    if (kind == MATMUL_TILES && !run->n_variants) { /* a device that is offered none */
        printf("none %s: no variant fits the device\n", run->kernel);
        run->n_variants++;
        run->left_out++;
    }
}

static void matvec(struct run *run)
{
    matmul(run, MATMUL_MATVEC);
}

static void tiles(struct run *run)
{
    matmul(run, MATMUL_TILES);
}

static void coopmat(struct run *run)
{
    matmul(run, MATMUL_COOPMAT);
}

static void read_alone(struct run *run)
{
    uint32_t lanes = 128;
    try_variant(run, &lanes, 1);
}

/* By the beginning of a kernel's name: the first that fits. */
static const struct {
    const char *prefix;
    void (*variants)(struct run *run);
} kernels[] = {
    {"matvec_", matvec},
    {"matmul_coopmat_", coopmat},
    {"matmul_", tiles},
    {"embed_", lanes_alone},
    {"norm", lanes_and_either},
    {"rope", lanes_alone},
    {"kv_write", lanes_and_either},
    {"attention", attention},
    {"activate", activate},
    {"argmax", lanes_alone},
    {"select", lanes_and_either},
    {"scale_add", lanes_alone},
    {"read", read_alone},
};

static void one_kernel(struct run *run, const char *name)
{
    run->kernel = name;
    run->n_variants = run->n_seen = 0;
    run->kernels++;
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++)
        if (!strncmp(name, kernels[i].prefix, strlen(kernels[i].prefix))) {
            kernels[i].variants(run);
            break;
        }
    if (run->n_variants) return;
    printf("FAIL %s: its variants are not known here: add them to the table of compile_kernels.c\n", name);
    run->failed++;
}

int main(int argc, char **argv)
{
    struct gpu_options opt = {.cache_dir = ""};
    const char *only = "";
    struct run run = {0};
    for (int i = 1; i < argc; i++) {
        const char **value = !strcmp(argv[i], "--device") ? &opt.select
                             : !strcmp(argv[i], "--only") ? &only
                             : !strcmp(argv[i], "--text") ? &run.text_dir
                                                          : NULL;
        if (!value || i + 1 == argc) {
            fprintf(stderr, "usage: compile_kernels [--device D] [--only PREFIX] [--text DIR]\n");
            return 2;
        }
        *value = argv[++i];
    }
    struct hk_error err = {0};
    const struct gpu_pretend tell = {.statistics = true};
    run.g = gpui_open(&opt, &tell, &err);
    if (!run.g) {
        printf("no device: %s\n", err.text);
        return 77;
    }
    run.caps = gpu_capabilities(run.g);
    printf("device %s; %s %s; subgroup %u; shared %u; fp16 %d; coopmat %ux%ux%u%s\n", run.caps->name,
           run.caps->driver, run.caps->driver_version, run.caps->subgroup_size, run.caps->shared_bytes,
           run.caps->fp16, run.caps->coopmat_m, run.caps->coopmat_n, run.caps->coopmat_k,
           run.g->probe->enabled.executables.pipelineExecutableInfo ? ""
                                                                    : "; it tells nothing of its kernels");
    for (uint32_t i = 0; i < hk_n_shaders; i++)
        if (!strncmp(hk_shaders[i].name, only, strlen(only))) one_kernel(&run, hk_shaders[i].name);
    printf("%s: %u kernels, %u variants: %u failed, %u left out, %u spill\n", run.caps->name, run.kernels,
           run.variants, run.failed, run.left_out, run.spilling);
    gpu_close(run.g);
    return run.failed || !run.kernels;
}
