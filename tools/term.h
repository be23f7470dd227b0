/* The seam between the tools and the operating system: terminals, signals, clocks, the user's folders. */
#ifndef HEKLA_TOOLS_TERM_H
#define HEKLA_TOOLS_TERM_H

#include <stdio.h>

#include "runtime/hekla.h"

bool term_is_tty(FILE *f);
double term_seconds(void);                                         /* monotonic */
bool term_wall_time(struct hk_wall_time *t, struct hk_error *err); /* local */
void term_locale(void); /* UTF-8 for line editing; numbers stay with a point */

/* From now on Ctrl-C sets a flag; a second one, while the flag is set, ends the process. */
void term_catch_interrupt(void);
/* The same for SIGTERM and SIGHUP: for a command that has something to clean up. */
void term_catch_termination(void);
bool term_interrupted(void);
void term_clear_interrupt(void);

uint64_t term_random(void); /* different from run to run; no secret */

/* How many threads CPU-type Vulkan drivers start; to be called before a device is opened. */
void term_set_driver_threads(uint32_t n);

/* A file in the user's state folder ($XDG_STATE_HOME or ~/.local/state, then /hekla/NAME), folders made. NULL
 * where there is none; free(). */
char *term_state_file(const char *name);

#endif
