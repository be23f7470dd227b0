/* The architectures: one line each. */
#ifndef HEKLA_RUNTIME_ARCHS_H
#define HEKLA_RUNTIME_ARCHS_H

#define HK_ARCHS(X)                                                                                          \
    X(llama)                                                                                                 \
    X(gpt2)

#define HK_DECLARE_ARCH(name) extern const struct arch arch_##name;
HK_ARCHS(HK_DECLARE_ARCH)

#endif
