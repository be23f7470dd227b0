#define _POSIX_C_SOURCE 200809L
#include "runtime/os.h"
#include "loader/out_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

bool hk_os_cache_dir(char *buf, size_t capacity)
{
    static const struct {
        const char *variable, *below;
    } places[] = {{"XDG_CACHE_HOME", "/hekla"}, {"HOME", "/.cache/hekla"}, {"LOCALAPPDATA", "/hekla"}};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const char *dir = getenv(places[i].variable);
        if (!dir || !*dir) continue;
        int n = snprintf(buf, capacity, "%s%s", dir, places[i].below);
        return n > 0 && (size_t)n < capacity;
    }
    return false;
}

bool hk_os_make_dirs(const char *path)
{
    char part[4096];
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof part) return false;
    for (size_t i = 1; i <= len; i++) {
        if (i < len && path[i] != '/') continue;
        memcpy(part, path, i);
        part[i] = 0;
        if (mkdir(part, 0700) != 0 && errno != EEXIST) return false;
    }
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool hk_os_replace_file(const char *path, const void *data, size_t size)
{
    struct hk_out_file *f = hk_out_file_open(path, NULL);
    if (f && hk_out_file_write(f, data, size, NULL)) return hk_out_file_commit(f, NULL);
    hk_out_file_abandon(f);
    return false;
}

void *hk_os_read_file(const char *path, size_t max, size_t *size)
{
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    char *data = NULL;
    size_t len = 0, capacity = 0;
    for (;;) {
        if (len == capacity) {
            size_t grown = capacity ? capacity * 2 : (size_t)64 << 10;
            char *p = len > max ? NULL : realloc(data, grown);
            if (!p) break;
            data = p;
            capacity = grown;
        }
        size_t n = fread(data + len, 1, capacity - len, f);
        len += n;
        if (n == 0) {
            if (ferror(f) || len > max) break;
            fclose(f);
            *size = len;
            return data;
        }
    }
    fclose(f);
    free(data);
    return NULL;
}

double hk_os_seconds(void)
{
    struct timespec t;
    if (clock_gettime(CLOCK_MONOTONIC, &t) != 0) return 0;
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

uint64_t hk_os_memory_available(void)
{
    /* Linux counts reclaimable page cache in MemAvailable, which no portable call does. */
    FILE *f = fopen("/proc/meminfo", "r");
    if (!f) return 0;
    char line[128];
    unsigned long long kib = 0;
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1) break;
    fclose(f);
    return (uint64_t)kib * 1024;
}
