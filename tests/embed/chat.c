#include <hekla.h>

#include <stdio.h>
#include <string.h>

static bool print(void *user, const char *text, size_t len)
{
    return fwrite(text, 1, len, user) == len && fflush(user) == 0;
}

int main(int argc, char **argv)
{
    struct hk_error err = {0};
    struct hk_device_options where = {.select = argc > 3 ? argv[3] : NULL}; /* NULL: the best device */
    struct hk_chat_options how = {.system = "Be brief.", .n_answer = 100};
    struct hk_checkpoint *file = argc > 2 ? hk_checkpoint_open(argv[1], NULL, &err) : NULL;
    struct hk_device *device = file ? hk_device_open(&where, &err) : NULL;
    struct hk_model *model = device ? hk_model_open(device, file, NULL, &err) : NULL;
    struct hk_runner *runner = model ? hk_runner_open(model, NULL, &err) : NULL;
    struct hk_chat *chat = runner ? hk_chat_open(runner, &how, &err) : NULL;
    bool ok = chat && hk_chat_say(chat, argv[2], strlen(argv[2]), print, stdout, NULL, NULL, &err);
    fprintf(ok ? stdout : stderr, "%s\n", err.text);
    hk_chat_close(chat);
    hk_runner_close(runner);
    hk_model_close(model);
    hk_device_close(device);
    hk_checkpoint_close(file);
    return ok ? 0 : 1;
}
