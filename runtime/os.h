/* What differs between operating systems below the engine: a user's cache directory, replacing a file in one
 * step, a clock that only goes forward, free memory. Everything else in runtime/ is C11 and Vulkan. */
#ifndef HEKLA_RUNTIME_OS_H
#define HEKLA_RUNTIME_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Writes "<the user's cache directory>/hekla" into buf ($XDG_CACHE_HOME, $HOME/.cache, %LOCALAPPDATA%).
 * False when the environment names none or it does not fit: then nothing is cached. */
bool hk_os_cache_dir(char *buf, size_t capacity);

/* Makes the directory and its parents, readable by the user alone. True when it exists afterwards. */
bool hk_os_make_dirs(const char *path);

/* Puts `size` bytes in place of the file at path, in one step: a reader sees the old file or the new one.
 * False when that failed; then the old file is as it was. */
bool hk_os_replace_file(const char *path, const void *data, size_t size);

/* The whole file in malloc'd memory that the caller frees; NULL when it cannot be read or is larger than max
 * bytes. */
void *hk_os_read_file(const char *path, size_t max, size_t *size);

/* Seconds since some fixed moment. */
double hk_os_seconds(void);

/* Bytes of main memory that could be taken now without swapping; 0: unknown. */
uint64_t hk_os_memory_available(void);

#endif
