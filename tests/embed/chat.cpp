#include <hekla.h>

#include <iostream>
#include <memory>
#include <string>

template <auto close> struct closing {
    template <typename T> void operator()(T *p) const
    {
        close(p);
    }
};
template <typename T, auto close> using owned = std::unique_ptr<T, closing<close>>;

int main(int argc, char **argv)
{
    hk_error err = {};
    hk_device_options on = {};
    hk_sampler_options greedy = {};
    hk_chat_options how = {};
    if (argc > 2) on.select = argv[2];
    greedy.greedy = true;
    how.sampling = &greedy;
    how.n_answer = 12;
    owned<hk_checkpoint, hk_checkpoint_close> file(argc > 1 ? hk_checkpoint_open(argv[1], nullptr, &err)
                                                            : nullptr);
    owned<hk_device, hk_device_close> device(file ? hk_device_open(&on, &err) : nullptr);
    owned<hk_model, hk_model_close> model(device ? hk_model_open(device.get(), file.get(), nullptr, &err)
                                                 : nullptr);
    owned<hk_runner, hk_runner_close> runner(model ? hk_runner_open(model.get(), nullptr, &err) : nullptr);
    owned<hk_chat, hk_chat_close> chat(runner ? hk_chat_open(runner.get(), &how, &err) : nullptr);
    auto print = [](void *, const char *text, size_t len) -> bool {
        return bool(std::cout.write(text, std::streamsize(len)).flush());
    };
    const std::string question = "Hello";
    bool ok = chat && hk_chat_say(chat.get(), question.data(), question.size(), print, nullptr, nullptr,
                                  nullptr, &err);
    std::cout << (ok ? "" : err.text) << std::endl;
    return ok ? 0 : 1;
}
