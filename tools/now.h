/* What time a chat template is told. */
#ifndef HEKLA_TOOLS_NOW_H
#define HEKLA_TOOLS_NOW_H

#include "runtime/hekla.h"

/* The local time, or what $HEKLA_NOW says (2025-07-26T12:00:00), so that a prompt can be made again exactly.
 * False and *err where that is no such time. */
bool tool_now(struct hk_wall_time *now, struct hk_error *err);

#endif
