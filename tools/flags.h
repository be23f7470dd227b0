/* Which flag of the command line a field of the library's options is, and which command a function. */
#ifndef HEKLA_TOOLS_FLAGS_H
#define HEKLA_TOOLS_FLAGS_H

#include <stdio.h>

#include "runtime/hekla.h"

/* An error's text with flags and commands in the place of the fields and functions that it names
 * ("hk_model_options.quant": "--quant"), as one line on `f`, without a newline. */
void flags_print(FILE *f, const char *text);

#endif
