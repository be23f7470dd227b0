/* bench_tokenizer MODEL FILE [REPEATS]: how fast a text is encoded on one core, and that it comes back.
 * Started by hand. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "loader/checkpoint.h"
#include "loader/file.h"
#include "loader/tokenizer/tokenizer.h"

static double now(void)
{
    return (double)clock() / CLOCKS_PER_SEC; /* of the processor: other programs do not count */
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Decodes and compares; says what the vocabulary does not promise, too. */
static bool comes_back(const struct hk_tokenizer *t, const struct hk_tokens *ids,
                       const struct hk_mapping *text, double *seconds)
{
    struct hk_bytes out = {0};
    struct hk_decoder d;
    double start = now();
    bool ok = true;
    hk_decoder_init(&d, t, true, true);
    for (size_t i = 0; ok && i < ids->n; i++) ok = hk_decoder_push(&d, ids->ids[i], &out, NULL);
    ok = ok && hk_decoder_finish(&d, &out, NULL);
    *seconds = now() - start;
    ok = ok && out.len == text->size && memcmp(out.data, text->data, out.len) == 0;
    hk_bytes_free(&out);
    return ok;
}

int main(int argc, char **argv)
{
    enum { MOST = 100 };
    struct hk_error err = {0};
    double seconds[MOST], decode = 0;
    int repeats = argc > 3 ? atoi(argv[3]) : 5;
    if (argc < 3 || repeats < 1 || repeats > MOST) {
        fputs("usage: bench_tokenizer MODEL FILE [REPEATS, 1 to 100]\n", stderr);
        return 2;
    }
    struct hk_checkpoint *c = hk_checkpoint_open(argv[1], NULL, &err);
    struct hk_tokenizer *t = c ? hk_tokenizer_new(&c->vocab, &err) : NULL;
    struct hk_mapping *text = t ? hk_mapping_open(argv[2], &err) : NULL;
    struct hk_tokens ids = {0};
    for (int i = 0; text && i < repeats; i++) {
        ids.n = 0;
        double start = now();
        if (!hk_tokenizer_encode(t, (const char *)text->data, text->size, 0, &ids, &err)) break;
        seconds[i] = now() - start;
    }
    bool ok = err.code == HK_OK;
    if (ok) {
        bool same = comes_back(t, &ids, text, &decode);
        qsort(seconds, (size_t)repeats, sizeof *seconds, compare);
        double size = (double)text->size / 1e6, median = seconds[repeats / 2];
        printf("%.2f MB -> %zu tokens: encoding %.1f MB/s (%.1f to %.1f, %d runs), decoding %.1f MB/s; %s\n",
               size, ids.n, size / median, size / seconds[repeats - 1], size / seconds[0], repeats,
               size / decode, same ? "comes back" : "comes back changed");
    } else {
        fprintf(stderr, "bench_tokenizer: %s\n", err.text);
    }
    free(ids.ids);
    hk_mapping_close(text);
    hk_tokenizer_free(t);
    hk_checkpoint_close(c);
    return ok ? 0 : 1;
}
