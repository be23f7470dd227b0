#include "tools/box.h"

#include <stdio.h>
#include <string.h>

/* ---- the files ----
 * The assembler copies them into the program (.incbin): no generated source, and compiling them costs
 * nothing. CMakeLists.txt defines HEKLA_BOX_<NAME> as the path of each file that is there. */

#define QUOTE(x)  #x
#define EXPAND(x) QUOTE(x)
/* What the linker calls a C name: with an underscore before it on Mach-O and on 32-bit Windows. */
#define LINKED(name) EXPAND(__USER_LABEL_PREFIX__) #name
#define LABEL(name)  ".globl " LINKED(name) "\n" LINKED(name) ":\n"

#if defined __APPLE__
#define READ_ONLY     ".section __TEXT,__const\n"
#define GOES_ON(name) ".alt_entry " LINKED(name) "\n" /* no piece of its own, which the linker could move */
#elif defined _WIN32
#define READ_ONLY ".section .rdata,\"dr\"\n"
#define GOES_ON(name)
#else
#define READ_ONLY ".section .rodata\n"
#define GOES_ON(name)
#endif

/* box_NAME_begin and box_NAME_end around the bytes of a file. */
#define EMBED(name, path)                                                                                    \
    __asm__(READ_ONLY ".balign 64\n" LABEL(box_##name##_begin) ".incbin \"" path "\"\n" GOES_ON(             \
        box_##name##_end) LABEL(box_##name##_end) ".byte 0\n.text\n");                                       \
    extern const unsigned char box_##name##_begin[], box_##name##_end[]
#define BYTES(name) .data = box_##name##_begin, .end = box_##name##_end

#ifdef HEKLA_BOX_CHAT
EMBED(chat, HEKLA_BOX_CHAT);
#endif
#ifdef HEKLA_BOX_BASE
EMBED(base, HEKLA_BOX_BASE);
#endif
#ifdef HEKLA_BOX_REWARD
EMBED(reward, HEKLA_BOX_REWARD);
#endif

static const struct box_model models[] = {
#ifdef HEKLA_BOX_CHAT
    {.name = "box:chat",
     BYTES(chat),
     .reward = "box:reward",
     .greeting = "This is a very small model, Hekla's help desk: ask it about Hekla. `hekla MODEL` opens a "
                 "file of yours.",
     .temperature = 0}, /* facts are wanted of it, not variety */
#endif
#ifdef HEKLA_BOX_BASE
    {.name = "box:base", BYTES(base), .temperature = -1},
#endif
#ifdef HEKLA_BOX_REWARD
    {.name = "box:reward", BYTES(reward), .temperature = -1},
#endif
    {0},
};

/* ---- by name ---- */

bool box_is_name(const char *model)
{
    return strcmp(model, "box") == 0 || strncmp(model, "box:", 4) == 0;
}

const struct box_model *box_find(const char *model)
{
    const char *name = strcmp(model, "box") == 0 ? "box:chat" : model;
    for (const struct box_model *m = models; m->name; m++) {
        if (strcmp(m->name, name) == 0) return m;
    }
    return NULL;
}

struct hk_checkpoint *box_open(const char *model, const struct hk_checkpoint_options *opt,
                               struct hk_error *err)
{
    const struct box_model *m = box_find(model);
    if (m) return hk_checkpoint_open_memory(m->data, (size_t)(m->end - m->data), m->name, opt, err);
    char names[64] = "";
    for (m = models; m->name; m++) {
        strcat(strcat(names, m == models ? "" : m[1].name ? ", " : " or "), m->name); /* three short names */
    }
    if (names[0]) {
        hk_fail(err, HK_ERR_INPUT, "%.60s: not in the box: %s would be accepted, or ./%.60s for a file",
                model, names, model);
    } else {
        hk_fail(err, HK_ERR_INPUT,
                "%.60s: this build was made without models in its box: a file or folder would be accepted",
                model);
    }
    return NULL;
}
