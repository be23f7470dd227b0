/* What the tests of conversion share. */
#ifndef HEKLA_TESTS_CONVERT_TESTING_H
#define HEKLA_TESTS_CONVERT_TESTING_H

#include "tests/rig.h"
#include "loader/convert/convert.h"

/* The notes of a conversion, one after the other. */
struct notes {
    char text[2048];
};

struct hk_checkpoint *convert_open(const char *path);

/* Converts what is at `in`, with three threads. notes may be NULL. */
void convert_file(const char *in, const char *out, const char *type, struct notes *notes);

void convert_path(const char *folder, const char *name, char out[HK_TEST_PATH]);
size_t convert_n_files(const char *folder);

/* Converts, expects a refusal that says `part`, and that the folder has no more files than before. */
void convert_refuse(struct hk_checkpoint *c, const char *folder, const char *name, const char *part);

#endif
