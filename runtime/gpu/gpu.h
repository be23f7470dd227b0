/* A device, its memory, its kernels and its schedule. No Vulkan type appears here: behind it are instance.c,
 * device.c, memory.c, kernel.c and scheduler.c, the only files that include Vulkan. Nothing here knows tensors,
 * models or checkpoints: memory is addresses, work is dispatches.
 *
 * One struct gpu is used by one thread at a time. Errors: recording is sticky (gpu_record_end reports the
 * first failure); everything else returns false or NULL and fills *err. A lost device gives
 * HK_ERR_DEVICE_LOST from then on; all objects may still be freed, and the process may open the device again. */
#ifndef HEKLA_RUNTIME_GPU_H
#define HEKLA_RUNTIME_GPU_H

#include "loader/base.h"
#include "runtime/gpu/caps.h"

/* ---- devices ---------------------------------------------------------------------------------------------- */

/* Every Vulkan device, also those below the floor, in the instance's order. *caps is freed by the caller with
 * free(). Errors name what is missing and what to install: no libvulkan, no driver (ICD), no device. */
bool gpu_list(struct hk_device_caps **caps, uint32_t *n, struct hk_error *err);

struct gpu_options {
    /* NULL or "": best by type, discrete > integrated > virtual > CPU; a number: index in gpu_list; else:
     * case-insensitive part of the name; several matches or none is an error that lists them */
    const char *select;
    /* for the pipeline cache; NULL: the user's ($XDG_CACHE_HOME, ~/.cache, %LOCALAPPDATA%) /hekla; "": none */
    const char *cache_dir;
    bool profile; /* timestamps around every dispatch */
};

/* Which of gpu_list's devices `select` means (see gpu_options). False and *err: none, several, or below the
 * floor. */
bool gpu_choose(const struct hk_device_caps *caps, uint32_t n, const char *select, uint32_t *index,
                struct hk_error *err);

struct gpu;
struct gpu *gpu_open(const struct gpu_options *opt, struct hk_error *err);
void gpu_close(struct gpu *g); /* waits for the device; saves the pipeline cache; NULL is accepted */
const struct hk_device_caps *gpu_capabilities(const struct gpu *g);

/* ---- memory ----------------------------------------------------------------------------------------------- */

enum gpu_memory {
    /* written once by uploads, read by kernels. Device-local; on unified memory host-visible too */
    GPU_MEMORY_WEIGHTS,
    /* activations, KV cache. Device-local, zeroed at allocation */
    GPU_MEMORY_STATE,
    /* small: step inputs and read-back. Host-visible, coherent, cached where there is such; zeroed */
    GPU_MEMORY_HOST,
};

/* An arena: allocations of one lifetime. Grows by blocks of at most 1 GiB (or one larger allocation where a
 * single span needs it and the device can). */
struct gpu_arena;
struct gpu_span {
    uint64_t addr; /* device address, 256-byte aligned */
    uint64_t size; /* bytes */
    void *host;    /* mapped, or NULL where the host cannot see it */
};
/* expected: how much will be allocated in all, bytes, so that blocks fit exactly (0: unknown). */
struct gpu_arena *gpu_arena_new(struct gpu *g, enum gpu_memory kind, uint64_t expected, struct hk_error *err);
bool gpu_arena_alloc(struct gpu_arena *a, uint64_t size, struct gpu_span *out, struct hk_error *err);
uint64_t gpu_arena_size(const struct gpu_arena *a); /* bytes of device memory taken */
void gpu_arena_free(struct gpu_arena *a); /* waits until no submitted work uses it; NULL is accepted */

/* Bytes that weights and state can still take on this device now (device-local heaps' budgets). */
uint64_t gpu_memory_budget(struct gpu *g);

/* Upload: returns where to write `size` bytes that shall end up at device address addr (inside a span): the
 * final place itself on unified memory, else a piece of a staging ring. size <= GPU_UPLOAD_MAX. The previous
 * piece's copy runs on the device while the caller fills the next. Every begin is followed by its end. */
enum { GPU_UPLOAD_MAX = 8 << 20 };
void *gpu_upload_begin(struct gpu *g, uint64_t addr, uint64_t size, struct hk_error *err);
bool gpu_upload_end(struct gpu *g, struct hk_error *err);
/* The same for bytes that are there already, any number of them; src may be used again on return. */
bool gpu_upload(struct gpu *g, uint64_t addr, const void *src, uint64_t size, struct hk_error *err);
/* Waits for all uploads: the data is there for every later submission. */
bool gpu_upload_finish(struct gpu *g, struct hk_error *err);
/* Whole transfers, waiting: for tests and small things. */
bool gpu_write(struct gpu *g, uint64_t addr, const void *src, uint64_t size, struct hk_error *err);
bool gpu_read(struct gpu *g, uint64_t addr, void *dst, uint64_t size, struct hk_error *err);

/* ---- kernels ---------------------------------------------------------------------------------------------- */

enum { GPU_MAX_SPEC = 12, GPU_MAX_PUSH = 128, GPU_MAX_ACCESS = 12 };

/* An embedded shader by name with its specialization constants (constant_id 0, 1, ...; by convention 0 is the
 * workgroup size x). Compiled at first use, kept until gpu_close. NULL and *err: no such shader in this
 * build, or the driver refused it. */
struct gpu_kernel;
struct gpu_kernel *gpu_kernel_get(struct gpu *g, const char *name, const uint32_t *spec, uint32_t n_spec,
                                  struct hk_error *err);

/* ---- recording and schedule ------------------------------------------------------------------------------- */

struct gpu_access {
    uint64_t addr, size; /* bytes */
    bool write;
};

struct gpu_dispatch {
    struct gpu_kernel *kernel;
    const char *label; /* static string: the row in a profile */
    const void *push;  /* push constants, push_size <= GPU_MAX_PUSH bytes */
    uint32_t push_size;
    uint32_t groups[3]; /* each > 0 and within caps (an excess is a sticky error) */
    /* all memory that it reads and writes: barriers come from these */
    struct gpu_access access[GPU_MAX_ACCESS];
    uint32_t n_access;
    /* Estimated memory traffic and arithmetic, for GB/s and to split long work: bytes, and unit_bytes more for
     * each unit of what the submission says (gpu_submit). */
    uint64_t bytes, flops;
    uint64_t unit_bytes, unit_flops;
};

/* What a recorder holds can be submitted many times, in order. It is split inside into submissions whose
 * estimated time stays under ~100 ms on this device. */
struct gpu_recorder;
struct gpu_recorder *gpu_record_begin(struct gpu *g, struct hk_error *err);
void gpu_record_dispatch(struct gpu_recorder *rec, const struct gpu_dispatch *d);
void gpu_record_copy(struct gpu_recorder *rec, uint64_t dst, uint64_t src, uint64_t size);
/* Reports the first failure of the recording. After a failure only gpu_recorder_free may be called. */
bool gpu_record_end(struct gpu_recorder *rec, struct hk_error *err);
void gpu_recorder_free(struct gpu_recorder *rec); /* waits for its last submission; NULL is accepted */

/* Queues what was recorded behind all earlier submissions (with a full barrier between) and returns at once.
 * n_units: how much of it there is this time, for dispatches whose cost depends on what memory holds.
 * *ticket (may be NULL) is what gpu_wait takes. Host memory written before is seen by it. */
bool gpu_submit(struct gpu *g, struct gpu_recorder *rec, uint64_t n_units, uint64_t *ticket,
                struct hk_error *err);
/* Waits until that submission is done, and everything before it; its writes to HOST memory can then be read. */
bool gpu_wait(struct gpu *g, uint64_t ticket, struct hk_error *err);
bool gpu_wait_idle(struct gpu *g, struct hk_error *err);

/* ---- profile ---------------------------------------------------------------------------------------------- */

/* Sums since gpu_open or the last reset, largest time first; only with gpu_options.profile on a device with
 * timestamps (else zero rows). *rows is freed by the caller with free(). Waits for the device. */
bool gpu_profile(struct gpu *g, struct hk_profile_row **rows, uint32_t *n, struct hk_error *err);
void gpu_profile_reset(struct gpu *g);

#endif
