/* What a terminal shows while something long runs. */
#ifndef HEKLA_TOOLS_PROGRESS_H
#define HEKLA_TOOLS_PROGRESS_H

#include "runtime/hekla.h"

/* A bar on stderr while something long runs; nothing where that is no terminal. */
struct progress {
    bool enabled, shown;
    double last; /* seconds, when it was drawn */
};
bool progress_step(void *user, const char *what, uint64_t done, uint64_t total); /* an hk_progress_fn */
void progress_clear(struct progress *p);
/* The same place for a line of words, where no total is known. */
void progress_say(struct progress *p, const char *fmt, ...) HK_PRINTF(2, 3);

#endif
