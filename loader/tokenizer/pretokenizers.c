/* One row per pre-tokenizer. The patterns are those of the models' own tokenizers (Split in tokenizer.json,
 * pat_str in tiktoken form); what no pattern matches is a word too, as with behavior "Isolated". */
#include "loader/tokenizer/pretokenizers.h"
#include "loader/tokenizer/pattern.h"

#include <string.h>

#define GPT2   "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define SUFFIX "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define OTHERS " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define LLAMA3 SUFFIX "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|" OTHERS
#define QWEN2  SUFFIX "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}|" OTHERS
#define UPPER  "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER  "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define TEKKEN                                                                                               \
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER "*|\\p{N}| ?[^\\s"   \
    "\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define CL100K                                                                                               \
    "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"        \
    "\\s+\\z|\\s*[\\r\\n]|\\s+(?!\\S)|\\s"
#define GPT4O                                                                                                \
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" SUFFIX "?|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER           \
    "*" SUFFIX "?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
/* Letters with case, without the scripts written without spaces; code points, so that editors cannot alter
 * them. */
#define DEEPSEEK_LETTERS                                                                                     \
    "\\s?[A-Za-z\\x{B5}\\x{C0}-\\x{D6}\\x{D8}-\\x{F6}\\x{F8}-\\x{1BA}\\x{1BC}-\\x{1BF}\\x{1C4}-\\x{293}"     \
    "\\x{295}-\\x{2AF}\\x{370}-\\x{373}\\x{376}\\x{377}\\x{37B}-\\x{37D}\\x{37F}\\x{386}\\x{388}-\\x{38A}"   \
    "\\x{38C}\\x{38E}-\\x{3A1}\\x{3A3}-\\x{3F5}\\x{3F7}-\\x{481}\\x{48A}-\\x{52F}\\x{531}-\\x{556}"          \
    "\\x{10A0}-\\x{10C5}\\x{13A0}-\\x{13F5}\\x{13F8}-\\x{13FD}\\x{1C90}-\\x{1CBA}\\x{1CBD}-\\x{1CBF}"        \
    "\\x{1D00}-\\x{1D2B}\\x{1D6B}-\\x{1D77}\\x{1D79}-\\x{1D9A}\\x{1E00}-\\x{1F15}\\x{1F18}-\\x{1F1D}"        \
    "\\x{1F20}-\\x{1F45}\\x{1F48}-\\x{1F4D}\\x{1F50}-\\x{1F57}\\x{1F59}\\x{1F5B}\\x{1F5D}\\x{1F5F}-\\x{"     \
    "1F7D}"                                                                                                  \
    "\\x{1F80}-\\x{1FB4}\\x{1FB6}-\\x{1FBC}\\x{1FBE}\\x{1FC2}-\\x{1FC4}\\x{1FC6}-\\x{1FCC}"                  \
    "\\x{1FD0}-\\x{1FD3}\\x{1FD6}-\\x{1FDB}\\x{1FE0}-\\x{1FEC}\\x{1FF2}-\\x{1FF4}\\x{1FF6}-\\x{1FFC}"        \
    "\\x{2102}\\x{2107}\\x{210A}-\\x{2113}\\x{2115}\\x{2119}-\\x{211D}\\x{2124}\\x{2126}\\x{2128}"           \
    "\\x{212A}-\\x{212D}\\x{212F}-\\x{2134}\\x{2139}\\x{213C}-\\x{213F}\\x{2145}-\\x{2149}\\x{214E}"         \
    "\\x{2183}\\x{2184}\\x{2C00}-\\x{2C7B}\\x{2C7E}-\\x{2CE4}\\x{2CEB}-\\x{2CEE}\\x{2CF2}\\x{2CF3}"          \
    "\\x{A640}-\\x{A66D}\\x{A680}-\\x{A69B}\\x{A722}-\\x{A76F}\\x{A771}-\\x{A787}\\x{A78B}-\\x{A78E}"        \
    "\\x{AB70}-\\x{ABBF}\\x{FB00}-\\x{FB06}\\x{FB13}-\\x{FB17}\\x{FF21}-\\x{FF3A}\\x{FF41}-\\x{FF5A}"        \
    "\\x{10400}-\\x{1044F}\\x{104B0}-\\x{104D3}\\x{104D8}-\\x{104FB}\\x{10C80}-\\x{10CB2}"                   \
    "\\x{10CC0}-\\x{10CF2}\\x{118A0}-\\x{118DF}\\x{1E900}-\\x{1E943}]+"
#define DEEPSEEK_CJK "[\\x{4E00}-\\x{9FA5}\\x{0800}-\\x{4E00}\\x{AC00}-\\x{D7FF}]+"
#define DEEPSEEK_PUNCTUATION                                                                                 \
    "\\s?[!-/:-~\\x{FF01}-\\x{FF0F}\\x{FF1A}-\\x{FF5E}\\x{2018}-\\x{201F}\\x{3000}-\\x{3002}]+"

#define HAN_KANA          "[\\x{4E00}-\\x{9FA5}\\x{3040}-\\x{309F}\\x{30A0}-\\x{30FF}]+"
#define ASCII_PUNCTUATION "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~]"
#define DEEPSEEK_V3                                                                                          \
    ASCII_PUNCTUATION                                                                                        \
    "[A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|"        \
    "\\s+(?!\\S)|\\s+"
#define SPARK25                                                                                              \
    ASCII_PUNCTUATION                                                                                        \
    "[A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+|[\\r\\n]|\\s+(?!\\S)|\\s+"
/* The original's one pattern says both: as the second of two it does not look for newlines behind every piece
 * of white space */
#define JAIS2_SPACES                                                                                         \
    "\\A\\s*[\\r\\n]+|\\A(?m:.?\\S.*)|\\s{512}|\\s{256}|\\s{128}|\\s{64}|\\s{32}|\\s{16}|\\s{8}|\\s{4}|\\s{" \
    "1,2}"
#define MINICPM5 SUFFIX "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}+|" OTHERS
#define QWEN35                                                                                               \
    SUFFIX "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| "                                                 \
           "?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define UFAKZEKA "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}|" OTHERS
#define SEED_CODER                                                                                           \
    SUFFIX "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| "                                                         \
           "?[^\\s\\p{L}\\p{N}\\r\\n]+|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define BAILINGMOE                                                                                           \
    "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| "                                           \
    "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+"
#define EXAONE_MOE                                                                                           \
    SUFFIX "|[^\\r\\n\\p{L}\\p{N}]?(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+|\\p{N}| "                           \
           "?[^\\s\\p{L}\\p{N}]+[\\r\\n/]?|\\s*[\\r\\n]|"                                                    \
           "\\s+(?!\\S)|\\s+"
#define KIMI_UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]"
#define KIMI_LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]"
#define KIMI_K2                                                                                              \
    "[\\p{Han}]+|[^\\r\\n\\p{L}\\p{N}]?" KIMI_UPPER "*" KIMI_LOWER "+" SUFFIX                                \
    "?|[^\\r\\n\\p{L}\\p{N}]?" KIMI_UPPER "+" KIMI_LOWER "*" SUFFIX "?|\\p{N}{1,3}|" OTHERS
/* words of everything but spaces and some punctuation; the bar and parentheses are in the set, too, as in the
 * original */
#define BLOOM " ?[^(\\s|.,!?\\x{2026}\\x{3002}\\x{FF0C}\\x{3001}\\x{964}\\x{6D4}\\x{60C})]+"
#define YOUTU_SCRIPTS                                                                                        \
    "[\\x{AC00}-\\x{D7A3}\\x{3131}-\\x{318E}]+|[\\x{FF01}\\x{2026}\\x{201C}\\x{201D}\\x{2018}\\x{2019}\\x{"  \
    "2014}\\x{FF1A}"                                                                                         \
    "\\x{FF1B}\\x{FF0C}\\x{3001}-\\x{303F}\\x{FE30}-\\x{FE4F}]+|[\\x{3105}-\\x{312F}]+|[\\x{4E00}-\\x{9FA5}" \
    "\\x{3040}-\\x{309F}\\x{30A0}-\\x{30FF}]+"
#define YOUTU                                                                                                \
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" SUFFIX "?|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER           \
    "*" SUFFIX "?|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

const char hk_gpt2_regex[] = GPT2;

static const struct hk_pretokenizer rows[] = {
    {"gpt-2", {GPT2}},
    /* BPE files that name none are GPT-2's time; files that say "default" are converters' doubts */
    {"default", {GPT2}},
    {"phi-2", {GPT2}},
    {"mpt", {GPT2}},
    {"olmo", {GPT2}},
    {"jais", {GPT2}},
    {"jina-es", {GPT2}},
    {"jina-de", {GPT2}},
    {"jina-v2-es", {GPT2}},
    {"jina-v2-de", {GPT2}},
    {"gigachat", {GPT2}},
    {"a.x-4.0", {GPT2}},
    {"mellum", {GPT2}},
    {"modern-bert", {GPT2}},
    {"exaone4", {GPT2}},
    {"trillion", {GPT2}},
    {"granite-docling", {GPT2}},
    {"jina-v1-en", {GPT2}, .add_sep = true},
    {"jina-v2-code", {GPT2}, .add_sep = true},
    {"roberta-bpe", {GPT2}, .add_sep = true},
    {"llama-bpe", {LLAMA3}, .ignore_merges = true, .add_bos = true},
    {"llama3", {LLAMA3}, .ignore_merges = true, .add_bos = true},
    {"llama-v3", {LLAMA3}, .ignore_merges = true, .add_bos = true},
    {"falcon3", {LLAMA3}, .ignore_merges = true, .add_bos = true},
    {"falcon-h1", {LLAMA3}, .ignore_merges = true, .add_bos = true},
    {"pixtral", {LLAMA3}, .ignore_merges = true, .add_bos = true},
    {"midm-2.0", {LLAMA3}, .ignore_merges = true, .add_bos = true},
    {"lfm2", {LLAMA3}, .ignore_merges = true, .add_bos = true},
    {"jina-v5-nano", {LLAMA3}, .ignore_merges = true, .add_bos = true},
    {"dbrx", {LLAMA3}},
    {"smaug-bpe", {LLAMA3}},
    {"glm4", {LLAMA3}},
    {"chatglm-bpe", {LLAMA3}},
    {"jais-2", {LLAMA3, JAIS2_SPACES}},
    {"minicpm5", {"\\p{N}{1,3}", MINICPM5}, .ignore_merges = true},
    {"qwen2", {QWEN2}},
    {"stablelm2", {QWEN2}},
    {"deepseek-r1-qwen", {QWEN2}},
    {"megrez", {QWEN2}},
    {"hunyuan", {QWEN2}},
    {"solar-open", {QWEN2}},
    {"grok-2", {QWEN2}},
    {"kormo", {QWEN2}},
    {"f2llmv2", {QWEN2}},
    {"laguna", {"[^\\n]+|[\\n]+", QWEN2}},
    {"qwen35", {QWEN35}},
    {"ufakzeka", {UFAKZEKA}},
    {"seed-coder", {SEED_CODER}},
    {"bailingmoe", {BAILINGMOE}},
    {"bailingmoe2", {BAILINGMOE}},
    {"llada-moe", {BAILINGMOE}},
    {"exaone-moe", {EXAONE_MOE}},
    {"tekken", {TEKKEN}, .ignore_merges = true, .add_bos = true},
    {"cl100k", {CL100K}},
    {"gpt-4o", {GPT4O}},
    {"llama4", {GPT4O}},
    {"kanana2", {GPT4O}},
    {"talkie", {GPT4O}},
    {"minimax-m2", {GPT4O}},
    {"granite-embed-multi-97m", {GPT4O}, .ignore_merges = true},
    {"tiny_aya", {HK_DIGIT_GROUPS_AT_WORD_END, GPT4O}},
    {"cohere2moe", {HK_DIGIT_GROUPS_AT_WORD_END, GPT4O}},
    {"kimi-k2", {KIMI_K2}, .rank_merges = true},
    {"starcoder", {"\\p{N}", GPT2}},
    {"refact", {"\\p{N}", GPT2}},
    {"command-r", {"\\p{N}", GPT2}},
    {"smollm", {"\\p{N}", GPT2}},
    {"codeshell", {"\\p{N}", GPT2}},
    {"exaone", {"\\p{N}", GPT2}},
    {"minerva-7b", {"\\p{N}", GPT2}},
    {"mellum2", {"\\p{N}", GPT2}},
    {"bloom", {BLOOM}},
    {"gpt3-finnish", {BLOOM}},
    {"poro-chat", {BLOOM}},
    {"viking", {BLOOM, "\\p{N}"}},
    {"falcon", {"[\\p{P}$+<=>^~|`]+", GPT2, "[0-9][0-9][0-9]"}},
    {"superbpe", {"\\p{N}+", HK_DIGIT_GROUPS}},
    {"chameleon",
     {"<sentinel:[0-9]+>", "IMGIMG[A-I]{1,4}Z", "[\\t\\n]|    |  ", "\\p{N}", "[\\p{P}!-/:-@\\[-`{-~]", GPT2},
     .add_bos = true},
    {"deepseek-llm", {"[\\r\\n]", DEEPSEEK_LETTERS, DEEPSEEK_PUNCTUATION, "\\s+$", DEEPSEEK_CJK, "\\p{N}+"}},
    {"deepseek-coder", {"[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", DEEPSEEK_CJK, "\\p{N}"}},
    {"deepseek-v3", {"\\p{N}{1,3}", HAN_KANA, DEEPSEEK_V3}},
    {"hunyuan-dense", {"\\p{N}{1,3}", HAN_KANA, DEEPSEEK_V3}},
    {"joyai-llm", {"\\p{N}{1,3}", HAN_KANA, DEEPSEEK_V3}},
    {"hy_v4", {"\\p{N}{1,3}", HAN_KANA, DEEPSEEK_V3}},
    {"spark2_5", {"\\p{N}{1,3}", HAN_KANA, SPARK25, "\\p{N}"}},
    {"youtu", {YOUTU_SCRIPTS, YOUTU}, .ignore_merges = true},
    /* spaces are spelt U+2581 and merges run over whole texts of characters */
    {"gemma4", {NULL}, .plain = true},
    {"granite-embed-multi-311m", {NULL}, .plain = true},
    {"sarvam-moe", {NULL}, .plain = true},
};

const struct hk_pretokenizer *hk_pretokenizer_find(const char *name)
{
    if (name[0] == 0) name = "default";
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(rows[i].name, name) == 0) return &rows[i];
    }
    return NULL;
}

const struct hk_pretokenizer *hk_pretokenizer_at(size_t i)
{
    return i < sizeof rows / sizeof rows[0] ? &rows[i] : NULL;
}

void hk_pretokenizer_names(char *out, size_t size)
{
    size_t used = 0;
    if (size == 0) return;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t len = strlen(rows[i].name), comma = i > 0 ? 2 : 0;
        if (used + comma + len + 1 > size) break;
        memcpy(out + used, ", ", comma);
        memcpy(out + used + comma, rows[i].name, len);
        used += comma + len;
    }
    out[used] = 0;
}
