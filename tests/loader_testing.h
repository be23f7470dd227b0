/* What the tests of the checkpoint formats share. */
#ifndef HEKLA_TESTS_LOADER_TESTING_H
#define HEKLA_TESTS_LOADER_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "loader/formats/formats.h"

enum { HK_TEST_PATH = 1024 };

/* The path of a file of the shared test material ($HEKLA_SHARED, or ../shared beside the source), or skips
 * the test, saying so, where it is not there. */
const char *hk_test_shared(const char *name, char out[HK_TEST_PATH]);

/* A new, empty folder; removed with all that is in it (files only). */
void hk_test_folder_make(char out[HK_TEST_PATH]);
void hk_test_folder_remove(const char *folder);
/* Writes folder/name. */
void hk_test_write(const char *folder, const char *name, const void *data, size_t len);
void hk_test_write_text(const char *folder, const char *name, const char *text);

/* Fails unless err holds one line of text that contains `part` (NULL: anything). */
void hk_test_error_says(const struct hk_error *err, const char *part);

/* A heap copy of exactly len bytes, so that a sanitizer sees every read past its end. */
uint8_t *hk_test_copy(const void *data, size_t len);

/* Little-endian values and strings, appended; out of memory fails the test. */
void hk_test_put(struct hk_bytes *b, const void *data, size_t len);
void hk_test_put_u32(struct hk_bytes *b, uint32_t v);
void hk_test_put_u64(struct hk_bytes *b, uint64_t v);
void hk_test_put_f32(struct hk_bytes *b, float v);

/* A generator for test inputs: same seed, same numbers (splitmix64). */
uint64_t hk_test_random(uint64_t *state);

#endif
