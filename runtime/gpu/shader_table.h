/* The compiled kernels, embedded by the build out of shaders/kernels.txt. */
#ifndef HEKLA_RUNTIME_SHADER_TABLE_H
#define HEKLA_RUNTIME_SHADER_TABLE_H

#include <stddef.h>
#include <stdint.h>

/* One SPIR-V module with one entry point, "main". The words are in the host's byte order and live for ever. */
struct hk_shader {
    const char *name; /* "matvec_q8_0": the kernel's line in kernels.txt and the types it was expanded over */
    const uint32_t *words;
    uint32_t n_words;
};

extern const struct hk_shader hk_shaders[]; /* hk_n_shaders of them, sorted by name */
extern const uint32_t hk_n_shaders;

/* NULL when this build has none of that name: a kernel that the glslang at hand could not compile is left
 * out. */
const struct hk_shader *hk_shader_find(const char *name);

#endif
