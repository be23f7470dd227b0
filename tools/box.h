/* The models in the box: GGUF files that are part of the program, so that a newcomer has one to talk with. */
#ifndef HEKLA_TOOLS_BOX_H
#define HEKLA_TOOLS_BOX_H

#include "runtime/hekla.h"

struct box_model {
    const char *name;                /* "box:chat": what is written where a MODEL is */
    const unsigned char *data, *end; /* the GGUF file, as long as the program runs */
    const char *reward;              /* the model of the box that ranks this one's answers, or NULL */
    const char *greeting;            /* what a user is told of it when a chat begins, one line, or NULL */
    float temperature; /* of its answers, where --temp does not say it; < 0: the common default */
};

/* Whether a MODEL argument means the box: "box" alone, or "box:" and anything. No file of that name is looked
 * for: ./box is one. */
bool box_is_name(const char *model);

/* The row of a name; "box" is "box:chat". NULL where there is no such name, or this build was made without
 * that file. */
const struct box_model *box_find(const char *model);

/* Opens what box_is_name says is in the box, as hk_checkpoint_open opens a file. A name that is not in this
 * build's box: HK_ERR_INPUT with the names that are. */
struct hk_checkpoint *box_open(const char *model, const struct hk_checkpoint_options *opt,
                               struct hk_error *err);

#endif
