/* Lines from the user: with editing and a history on a terminal (libedit), else plainly from stdin. */
#ifndef HEKLA_TOOLS_LINES_H
#define HEKLA_TOOLS_LINES_H

#include "runtime/hekla.h"

enum lines_got {
    LINES_LINE,
    LINES_CANCELLED /* Ctrl-C */,
    LINES_END /* Ctrl-D, end of file */,
    LINES_FAILED
};

struct lines;
/* history: file to keep what was typed in, from run to run; NULL: none. Closed with lines_close. */
struct lines *lines_open(const char *history, struct hk_error *err);
void lines_close(struct lines *l); /* NULL is accepted */
bool lines_interactive(const struct lines *l);

/* Replaces *line by the next one, without its newline. A line that ends in a backslash goes on with the next
 * one, with a newline between. The prompt is shown on a terminal only. LINES_FAILED fills *err. */
enum lines_got lines_read(struct lines *l, const char *prompt, struct hk_bytes *line, struct hk_error *err);

#endif
