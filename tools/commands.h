/* The subcommands: each takes the arguments after its name and returns the exit status,
 * 0 done, 1 the work failed, 2 wrong usage. */
#ifndef HEKLA_TOOLS_COMMANDS_H
#define HEKLA_TOOLS_COMMANDS_H

int cmd_chat(int argc, char **argv);
int cmd_generate(int argc, char **argv);
int cmd_rank(int argc, char **argv);
int cmd_tokenize(int argc, char **argv);
int cmd_template(int argc, char **argv);
int cmd_perplexity(int argc, char **argv);
int cmd_info(int argc, char **argv);
int cmd_convert(int argc, char **argv);
int cmd_devices(int argc, char **argv);
int cmd_selftest(int argc, char **argv);
int cmd_bench(int argc, char **argv);

#endif
