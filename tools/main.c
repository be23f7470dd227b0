/* The `hekla` command: a table of subcommands. */
#include <string.h>

#include "tools/box.h"
#include "tools/commands.h"
#include "tools/term.h"
#include "tools/tool.h"

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} commands[] = {
    {"chat", cmd_chat, "talk with a model"},
    {"generate", cmd_generate, "complete a text"},
    {"rank", cmd_rank, "what a reward model thinks of several answers"},
    {"tokenize", cmd_tokenize, "text to token ids, and back"},
    {"template", cmd_template, "messages to the prompt that a model is given"},
    {"perplexity", cmd_perplexity, "how well a model predicts a text"},
    {"info", cmd_info, "what a checkpoint contains"},
    {"convert", cmd_convert, "any readable checkpoint to GGUF, quantized on request"},
    {"devices", cmd_devices, "every Vulkan device, and what of it will be used"},
    {"selftest", cmd_selftest, "every kernel on a device against the reference"},
    {"bench", cmd_bench, "how fast a model runs on a device"},
};
enum { N_COMMANDS = sizeof commands / sizeof commands[0] };

static int help(void)
{
    printf(
        "usage: hekla [MODEL]               chat with MODEL, or with the small model in the box\n"
        "       hekla COMMAND [options]\n\n"
        "Runs GPT-style language models on any Vulkan GPU.\n\n"
        "MODEL is a GGUF file, a Hugging Face folder (config.json, *.safetensors, tokenizer.json), a\n"
        "llama2.c .bin file with its tokenizer.bin beside it, or a model that is in the program (\"the "
        "box\"):\n"
        "box:chat, which answers questions about Hekla, also written box; box:base, which it was made from;\n"
        "box:reward, which ranks answers.\n\ncommands:\n");
    for (size_t i = 0; i < N_COMMANDS; i++) printf("  %-12s %s\n", commands[i].name, commands[i].help);
    printf(
        "\n  hekla COMMAND --help     its options, with examples\n"
        "  hekla --version\n\n"
        "examples:\n"
        "  hekla\n"
        "  hekla devices\n"
        "  hekla generate -m model.gguf -p \"Once upon a time\" -n 100\n"
        "  hekla chat -m model.gguf --system \"Answer in one sentence.\"\n\n"
        "Results go to stdout, all else to stderr. Exit status: 0 done, 1 the work failed, 2 wrong usage.\n");
    return tool_finish(TOOL_DONE);
}

/* A name without a path's marks that is no file was meant as a command. */
static bool looks_like_command(const char *name)
{
    if (strpbrk(name, "/\\.")) return false;
    FILE *f = fopen(name, "rb");
    if (f) fclose(f);
    return !f;
}

static int unknown_command(const char *name)
{
    struct hk_error err;
    char list[200] = "";
    for (size_t i = 0; i < N_COMMANDS; i++) {
        strcat(strcat(list, i ? ", " : ""), commands[i].name); /* a dozen short names */
    }
    hk_fail(&err, HK_ERR_INPUT, "%.60s: no such command or file: a model, or one of %s would be accepted",
            name, list);
    return tool_usage(&err);
}

int main(int argc, char **argv)
{
    term_locale();
    if (argc < 2) return cmd_chat(0, argv);
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) return help();
    for (size_t i = 0; i < N_COMMANDS; i++) {
        if (strcmp(name, commands[i].name) == 0) return commands[i].run(argc - 2, argv + 2);
    }
    if (name[0] != '-' && !box_is_name(name) && looks_like_command(name)) return unknown_command(name);
    return cmd_chat(argc - 1, argv + 1); /* hekla [options] MODEL */
}
