/* Another program's names: it has functions of its own that are called as the library's inner ones are, and
 * links with libhekla.a. Prints a text that went through the box's tokenizer and back. */
#include <hekla.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

double matmul(double a, double b);
double rope(double a);
int embed(void);

double matmul(double a, double b)
{
    return a * b;
}

double rope(double a)
{
    return -a;
}

int embed(void)
{
    return 42;
}

int main(int argc, char **argv)
{
    struct hk_error err = {0};
    struct hk_tokens ids = {0};
    struct hk_bytes text = {0};
    struct hk_decoder d;
    if (argc < 2) return 2;
    struct hk_checkpoint *c = hk_checkpoint_open(argv[1], NULL, &err);
    struct hk_tokenizer *t = c ? hk_tokenizer_new(hk_checkpoint_vocab(c), &err) : NULL;
    int ok = t && hk_tokenizer_encode(t, argv[1], strlen(argv[1]), 0, &ids, &err);
    if (ok) hk_decoder_init(&d, t, true, false);
    for (size_t i = 0; ok && i < ids.n; i++) ok = hk_decoder_push(&d, ids.ids[i], &text, &err);
    ok = ok && hk_decoder_finish(&d, &text, &err);
    ok = ok && matmul(6, 7) > 41 && rope(1) < 0 && embed() == 42;
    puts(ok ? text.data : err.text);
    hk_bytes_free(&text);
    hk_tokens_free(&ids);
    hk_tokenizer_free(t);
    hk_checkpoint_close(c);
    return ok ? 0 : 1;
}
