#include "tools/words.h"

#include <stdlib.h>
#include <string.h>

#include "tools/json.h"

/* n in the largest unit of which there is at least one; n itself is printed whole. */
static const char *format_scaled(uint64_t n, double step, const char *const units[], size_t n_units,
                                 char buf[32])
{
    double v = (double)n;
    size_t u = 0;
    for (; v >= step && u + 1 < n_units; u++) v /= step;
    snprintf(buf, 32, u ? "%.1f%s" : "%.0f%s", v, units[u]);
    return buf;
}

const char *format_bytes(uint64_t n, char buf[32])
{
    static const char *const units[] = {" B", " KiB", " MiB", " GiB", " TiB", " PiB"};
    return format_scaled(n, 1024, units, sizeof units / sizeof *units, buf);
}

const char *format_count(uint64_t n, char buf[32])
{
    static const char *const units[] = {"", " K", " M", " G", " T"};
    return format_scaled(n, 1000, units, sizeof units / sizeof *units, buf);
}

void print_escaped(FILE *f, const char *text, size_t len, const char *also)
{
    struct hk_bytes b = {0};
    bool clean = false;
    if (!hk_bytes_append_utf8(&b, text, len, &clean, NULL)) len = 0;
    hk_bytes_free(&b);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '\n') {
            fputs("\\n", f);
        } else if (c < 0x20 || c == 0x7f || (c >= 0x80 && !clean)) {
            fprintf(f, "\\x%02x", c);
        } else {
            fprintf(f, strchr(also, c) ? "\\%c" : "%c", c);
        }
    }
}

const char *device_type_name(enum hk_device_type t)
{
    switch (t) {
    case HK_DEVICE_INTEGRATED:
        return "integrated";
    case HK_DEVICE_DISCRETE:
        return "discrete";
    case HK_DEVICE_VIRTUAL:
        return "virtual";
    case HK_DEVICE_CPU:
        return "cpu";
    case HK_DEVICE_OTHER:
        break;
    }
    return "other";
}

const char *kv_type_name(enum hk_kv_type t)
{
    return t == HK_KV_F32 ? "f32" : t == HK_KV_F16 ? "f16" : "auto";
}

bool print_profile(struct hk_device *d, struct hk_error *err)
{
    struct hk_profile_row *rows = NULL;
    uint32_t n = 0;
    if (!hk_device_profile(d, &rows, &n, err)) return false;
    double all = 0;
    for (uint32_t i = 0; i < n; i++) all += rows[i].seconds;
    if (n == 0) {
        fprintf(stderr, "hekla: profile: %s gives no timestamps\n", hk_device_name(d));
    } else {
        fprintf(stderr, "%-22s %-22s %9s %11s %6s %9s %9s\n", "operation", "kernel", "calls", "time ms",
                "share", "GB/s", "GFLOP/s");
    }
    for (uint32_t i = 0; i < n; i++) {
        const struct hk_profile_row *r = &rows[i];
        double s = r->seconds > 0 ? r->seconds : 1e-12;
        fprintf(stderr, "%-22s %-22s %9llu %11.3f %5.1f%% %9.2f %9.2f\n", r->label, r->kernel,
                (unsigned long long)r->calls, r->seconds * 1e3, all > 0 ? 100 * r->seconds / all : 0,
                (double)r->bytes / s * 1e-9, (double)r->flops / s * 1e-9);
    }
    if (n > 0) fprintf(stderr, "%-22s %-22s %9s %11.3f\n", "all", "", "", all * 1e3);
    free(rows);
    return true;
}
