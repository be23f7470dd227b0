/* The forwards: one line each. Which architectures each computes, their descriptions say (loader/archs/). */
#ifndef HEKLA_RUNTIME_ARCHS_H
#define HEKLA_RUNTIME_ARCHS_H

#define HK_FORWARDS(X)                                                                                       \
    X(llama)                                                                                                 \
    X(gpt2)

#define HK_DECLARE_FORWARD(name) extern const struct forward forward_##name;
HK_FORWARDS(HK_DECLARE_FORWARD)
#undef HK_DECLARE_FORWARD

#endif
