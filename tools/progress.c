#include "tools/progress.h"

#include <stdarg.h>
#include <stdio.h>

#include "tools/term.h"

bool progress_step(void *user, const char *what, uint64_t done, uint64_t total)
{
    struct progress *p = user;
    double now = term_seconds();
    if (done >= total) {
        progress_clear(p);
    } else if (p->enabled && now - p->last > 0.1) {
        enum { WIDTH = 32 };
        char bar[WIDTH + 1];
        double part = (double)done / (double)total;
        for (int i = 0; i < WIDTH; i++) bar[i] = i < (int)(part * (double)WIDTH) ? '#' : '.';
        bar[WIDTH] = 0;
        fprintf(stderr, "\r\033[K%.40s [%s] %3d%%", what, bar, (int)(part * 100));
        p->last = now;
        p->shown = true;
    }
    return !term_interrupted();
}

void progress_say(struct progress *p, const char *fmt, ...)
{
    double now = term_seconds();
    if (!p->enabled || now - p->last <= 0.1) return;
    va_list args;
    va_start(args, fmt);
    fputs("\r\033[K", stderr);
    vfprintf(stderr, fmt, args);
    va_end(args);
    p->last = now;
    p->shown = true;
}

void progress_clear(struct progress *p)
{
    if (p->shown) fputs("\r\033[K", stderr);
    p->shown = false;
}
