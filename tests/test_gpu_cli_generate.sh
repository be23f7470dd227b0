#!/bin/sh
# `hekla generate` and its kin on a Vulkan device, against texts and ids that other implementations made.
# $HEKLA: the program. Needs the shared folder ($HEKLA_SHARED, else shared/ beside the source).
set -u
shared=${HEKLA_SHARED:-${HEKLA_SOURCE_DIR:-.}/../shared}
[ -d "$shared/models" ] || { echo "skipped: no shared folder"; exit 77; }
. "$(dirname "$0")/cli_testing.sh"
stories=$shared/models/stories260K
tarot=$shared/models/tarotble

# begins FILE: what was printed is not empty and the beginning of FILE
begins()
{
    [ -s "$dir/out" ] && head -c "$(wc -c <"$dir/out")" "$1" | cmp - "$dir/out"
}
# ---- greedy text: what llama2.c prints. The file holds its first 168 tokens. ----
for model in "$stories/stories260K.gguf" "$stories/stories260K.bin"; do
    run generate -m "$model" -p "" --temp 0 -n 168
    cmp "$dir/out" "$stories/greedy-200.txt" || fail "$model: not llama2.c's text"
done
run generate -m "$stories/stories260K.gguf" -p "" --temp 0 -n 200 -q --kv f32
[ ! -s "$dir/err" ] || grep -q Validation "$dir/err" || fail "-q, and yet something on stderr"
grep -q "Lily didn't want to help her mom, so she$" "$dir/out" || fail "another end of 200 tokens"
head -c 400 "$dir/out" | cmp - "$stories/greedy-200.txt" || fail "200 tokens do not begin with llama2.c's text"
# the same token by token through the host's sampler, and with the prompt given
run generate -m "$stories/stories260K.gguf" -p "" --temp 0 -n 60 --logprobs 2
begins "$stories/greedy-200.txt" || fail "--logprobs changes the text"
run generate -m "$stories/stories260K.gguf" -p "Once upon a time, there was" --temp 0 -n 20
case $(cat "$dir/out") in
" a little girl named Lily."*) ;;
*) fail "the continuation of a prompt: $(cat "$dir/out")" ;;
esac
printf 'Once upon a time' | "$HEKLA" generate -m "$stories/stories260K.gguf" -f - --temp 0 -n 5 -q >"$dir/out" ||
    fail "a prompt from stdin"
[ "$(cat "$dir/out")" = ", there was a little" ] || fail "a prompt from stdin: $(cat "$dir/out")"

# ids FILE KEY: the numbers of a JSON list, one per line
ids()
{
    tr -d ' \n\t' <"$1" | sed 's/.*"'"$2"'":\[\([^]]*\)\].*/\1/' | tr ',' '\n'
}
# ---- greedy ids against an independent float64 forward pass ----
for model in "$stories/stories260K.gguf" "$tarot"; do
    reference=$stories/reference.json
    [ "$model" = "$tarot" ] && reference=$tarot/reference.json
    prompt=$(sed -n 's/.*"prompt": *"\([^"]*\)".*/\1/p' "$reference" | head -1)
    ids "$reference" greedy_ids >"$dir/wanted"
    run generate -m "$model" -p "$prompt" --temp 0 -n "$(grep -c '' "$dir/wanted")" --ignore-eos --json
    tr -d ' \n\t' <"$dir/out" | sed 's/.*"tokens":\[//; s/\],"text":.*//' | tr '{' '\n' |
        sed -n 's/^"id":\([0-9]*\).*/\1/p' >"$dir/ids"
    cmp "$dir/ids" "$dir/wanted" || fail "$model: greedy ids"
    ids "$reference" prompt_ids >"$dir/wanted"
    ids "$dir/out" prompt_tokens >"$dir/ids"
    cmp "$dir/ids" "$dir/wanted" || fail "$model: prompt ids"
done

# ---- the same seed, the same text; another seed, another ----
for seed in 1 1 2; do
    run generate -m "$stories/stories260K.gguf" -p "Once" --temp 1.5 --top-k 0 --top-p 1 --min-p 0 -n 60 --seed $seed
    cat "$dir/out" >>"$dir/seed$seed"
    printf '\n--\n' >>"$dir/seed$seed"
done
cat "$dir/seed2" "$dir/seed2" | cmp -s - "$dir/seed1" && fail "seeds 1 and 2 give the same text"
half=$(($(wc -c <"$dir/seed1") / 2))
[ "$(head -c $half "$dir/seed1")" = "$(tail -c $half "$dir/seed1")" ] || fail "seed 1 gives two texts"

# ---- the rest ----
run generate -m "$stories/stories260K.gguf" -p "Once upon a time, there was" --temp 0 -n 20 --ctx 12
[ "$(cat "$dir/out")" != "" ] && grep -q 'context of 12 tokens is full' "$dir/err" || fail "a full context"
run generate -m "$stories/stories260K.gguf" -p x -n 0
[ ! -s "$dir/out" ] || fail "-n 0 prints"
run generate -m "$stories/stories260K.gguf" -p "Once" --temp 0 -n 8 --profile
grep -q 'GB/s' "$dir/err" || fail "--profile prints no table"
run perplexity -m "$stories/stories260K.gguf" -f "$stories/greedy-200.txt" --ctx 64
grep -q '^perplexity [0-9.]* +- [0-9.]*, ' "$dir/out" || fail "perplexity: $(cat "$dir/out")"
printf 'Once upon\n/undo\n/system\n\n' | "$HEKLA" chat -m "$stories/stories260K.gguf" -n 5 --temp 0 -q \
    >"$dir/out" 2>"$dir/err" || fail "chat from a pipe"
[ "$(head -1 "$dir/out")" = " a time, there was" ] || fail "chat: $(head -1 "$dir/out")"
run bench --shape llama-2m --prompt 8 --decode 4 --repeats 1 --batch 3 --json -
grep -q '"batch":[[:space:]]*3' "$dir/out" || fail "bench --batch: $(cat "$dir/out")"
"$HEKLA" bench --shape llama-15m --depth 16777000 >"$dir/out" 2>"$dir/err" && fail "a context of 110 GB fits"
cat "$dir/err"
grep -q 'needs .* MiB.*has .* MiB' "$dir/err" || fail "a context beyond memory: need and budget are not said"

finish
