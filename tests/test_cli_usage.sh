#!/bin/sh
# The command line's contract where no Vulkan device is needed: help, usage errors, exit statuses, bad input.
# $HEKLA: the program. Files from the shared folder ($HEKLA_SHARED, else shared/ beside the source) where it is there.
set -u
: "${HEKLA:?the program}"
shared=${HEKLA_SHARED:-${HEKLA_SOURCE_DIR:-.}/../shared}
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM
failures=0

fail()
{
    echo "FAILED: $*"
    sed 's/^/    /' "$dir/err" | head -5
    failures=$((failures + 1))
}

# expect STATUS PATTERN ARGUMENT...: that exit status, and PATTERN in what it printed on stderr (for status 0: stdout).
# An error is one line that begins with "hekla: ", and then stdout is empty.
expect()
{
    want=$1 pattern=$2
    shift 2
    "$HEKLA" "$@" >"$dir/out" 2>"$dir/err" </dev/null
    got=$?
    [ "$got" -eq "$want" ] || { fail "hekla $*: status $got, not $want"; return; }
    if [ "$want" -eq 0 ]; then
        grep -q -e "$pattern" "$dir/out" || fail "hekla $*: no '$pattern' on stdout"
        return
    fi
    [ "$(grep -c '' "$dir/err")" -eq 1 ] || fail "hekla $*: not one line of error"
    grep -q '^hekla: .*' "$dir/err" || fail "hekla $*: the error does not begin with hekla:"
    grep -q -e "$pattern" "$dir/err" || fail "hekla $*: no '$pattern' in the error"
    [ ! -s "$dir/out" ] || fail "hekla $*: an error, and yet something on stdout"
}

# ---- help and version ----
commands="chat generate rank tokenize template perplexity info convert devices selftest bench"
expect 0 '^usage: hekla \[MODEL\]' --help
expect 0 '^usage: hekla \[MODEL\]' -h
expect 0 '^hekla [0-9]*\.[0-9]*\.[0-9]*$' --version
for c in $commands; do
    expect 0 "^usage: hekla $c" "$c" --help
    grep -q '^examples:' "$dir/out" || fail "$c --help has no examples"
    awk 'length > 100 { exit 1 }' "$dir/out" || fail "$c --help is wider than 100"
    expect 0 '^hekla [0-9]' "$c" --version
    expect 2 'unknown option --no-such' "$c" --no-such
    "$HEKLA" --help | grep -q "^  $c " || fail "--help does not list $c"
done

# ---- the box: what is in it, and what is not ----
"$HEKLA" info box >"$dir/out" 2>"$dir/err"
box=$?
if [ $box -eq 0 ]; then
    expect 1 'box:x: not in the box: box:chat, box:base or box:reward would be accepted' info box:x
    mkdir "$dir/box" # a folder or a file of that name is not looked at
    : >"$dir/box:chat"
    cd "$dir" || exit 1
    case $HEKLA in /*) ;; *) HEKLA=$OLDPWD/$HEKLA ;; esac
    expect 0 '^file *box:chat' info box
    expect 0 '^file *box:chat' info box:chat
    expect 1 'config.json' info ./box
    cd "$OLDPWD" || exit 1
    rm -r "$dir/box" "$dir/box:chat"
    expect 0 '^kind *reward model' info box:reward
    expect 0 '"reward_model":.false' info box:base --json
    printf 'list the devices' | "$HEKLA" tokenize -m box >"$dir/ids" && "$HEKLA" tokenize -m box --decode <"$dir/ids" >"$dir/out"
    [ "$(cat "$dir/out")" = 'list the devices' ] || fail "tokenize -m box"
    expect 1 'box: is a language model.*a reward model would be accepted' rank -m box -p x y
    for command in chat 'generate -p x -m' 'perplexity -f /dev/null -m' 'bench -m' ''; do
        # shellcheck disable=SC2086 # several words
        expect 1 'box:reward: is a reward model.*hekla rank' $command box:reward
    done
else
    expect 1 'box: this build was made without models in its box\|box: not in the box' info box
    expect 2 'no model'
    expect 2 'no model' generate -p x
    expect 2 'no model' rank -p x y
fi

# ---- usage ----
expect 2 'no such command or file' frobnicate
expect 2 'accepted: .*--temp' generate --tmp 3
expect 2 'no prompt' generate -m x
expect 2 'both --prompt and --file' generate -m x -p x -f y
expect 2 'value is missing' generate -m
expect 2 'value is missing' generate -m x -p
for bad in nan inf -1 1e9 x '' 0x1 '1 '; do
    expect 2 "temp '$bad'.*a number from 0 to 100" generate -m x -p x --temp "$bad"
done
for bad in -1 1.5 x '' 4294967296 18446744073709551616; do
    expect 2 "tokens '$bad'.*a whole number" generate -m x -p x -n "$bad"
done
expect 2 'a number from 0 to 1 ' generate -m x -p x --top-p 1.01
expect 2 'a number from 0 to 1 ' generate -m x -p x --min-p=-0.5
expect 2 'seed' generate -m x -p x --seed -1
expect 2 'not in this version yet: f16 or f32' generate -m x -p x --kv q8_0
expect 2 'f16 or f32' generate -m x -p x --kv f64
expect 2 'one of q8_0, q4_0, q4_1, q5_0, q5_1, q4_k, q5_k, q6_k, iq4_nl, mxfp4 would be' generate -m x -p x --quant q9
expect 2 'TOKEN_ID=NUMBER' generate -m x -p x --logit-bias 5
expect 2 'TOKEN_ID=NUMBER' generate -m x -p x --logit-bias 5=nan
expect 2 'takes no value' generate -m x -p x --json=yes
expect 2 'only options' generate -m x -p x stray
expect 2 'no model' info
expect 2 'one too many' info a b
expect 2 'no text' perplexity -m x
expect 2 'nothing to run' bench
expect 2 'both --model and --shape' bench -m x --shape y
expect 2 'llama-254m' bench --shape no-such-shape
expect 2 'one of f32, f16' bench --shape llama-254m --type q3
expect 2 'two models' chat -m a b
expect 2 'no prompt' rank -m x y
expect 2 'no candidates' rank -m x -p y
expect 2 'unknown option --dash' rank -m x -p y --dash

# ---- the best of several ----
for command in 'chat -m x' 'generate -m x -p y'; do
    for bad in 0 1 65 -1 x '' 2.5; do
        # shellcheck disable=SC2086 # several words
        expect 2 "best-of '$bad'.*a whole number from 2 to 64" $command --best-of "$bad"
    done
    # shellcheck disable=SC2086
    {
        expect 2 'nothing to choose by: --reward MODEL' $command --best-of 2
        expect 2 '--reward: there is nothing to choose from' $command --reward z
        expect 2 '--save-preferences: there is nothing to choose from' $command --save-preferences z
        expect 2 'temp 0: all answers would be the same one' $command --best-of 2 --reward z --temp 0
    }
done
expect 2 'one of them would be accepted' generate -m x -p y --best-of 2 --reward z --logprobs 1
expect 2 'one token or more' generate -m x -p y --best-of 2 --reward z -n 0
expect 2 '--system: without --chat' generate -m x -p y --system z
# what cannot be written, or read, is said before anything is opened for it
expect 1 "save-preferences $dir: " generate -m "$dir/none.gguf" -p y --best-of 2 --reward z --save-preferences "$dir"
expect 1 'save-preferences .*none/pairs' chat -m "$dir/none.gguf" --best-of 2 --reward z --save-preferences "$dir/none/pairs"
expect 1 'none-reward.gguf' generate -m "$dir/none.gguf" -p y --best-of 2 --reward "$dir/none-reward.gguf"
expect 1 'no-prompt.txt' generate -m "$dir/none.gguf" --chat -f "$dir/no-prompt.txt"

# ---- templates ----
expect 2 'no template' template
expect 1 'missing.jinja' template --template "$dir/missing.jinja"
printf '\n{%% if %%}' >"$dir/bad.jinja"
expect 1 'bad.jinja: line 2: ' template --template "$dir/bad.jinja"
printf '{{ messages[0].content }}|{{ strftime_now("%%d %%b %%Y %%H:%%M:%%S") }}|{{ x }}\n\n' >"$dir/good.jinja"
expect 1 'stdin: not valid JSON' template --template "$dir/good.jinja"

# render STATUS WANTED JSON ARGUMENT...: stdout is WANTED, byte for byte; an error's one line contains it.
render()
{
    want=$1 text=$2 json=$3
    shift 3
    printf '%s' "$json" | HEKLA_NOW=2025-07-26T12:00:00 "$HEKLA" template "$@" >"$dir/out" 2>"$dir/err"
    got=$?
    [ "$got" -eq "$want" ] || { fail "template $*: status $got, not $want"; return; }
    if [ "$want" -eq 0 ]; then
        printf '%s' "$text" | cmp -s - "$dir/out" || fail "template $*: not '$text' on stdout"
        return
    fi
    grep -q -e "^hekla: template: .*$text" "$dir/err" || fail "template $*: no '$text' in the error"
    [ ! -s "$dir/out" ] || fail "template $*: an error, and yet something on stdout"
}
render 0 'Hi é|26 Jul 2025 12:00:00|1.0
' '{"messages": [{"content": "Hi é"}], "x": 1.0}' --template "$dir/good.jinja"
render 1 'good.jinja: line 1: ' '{"messages": []}' --template "$dir/good.jinja"
render 1 'stdin: ' '[]' --template "$dir/good.jinja"
HEKLA_NOW=2025-02-29T00:00:00 expect 1 '2025-02-29.*2025-07-26T12:00:00' template --template "$dir/good.jinja"

# ---- files that are no models ----
: >"$dir/empty.gguf"
printf 'GGUF' >"$dir/short.gguf"
head -c 4096 /dev/zero >"$dir/zeros.bin"
mkdir "$dir/folder"
for command in 'info' 'chat' 'generate -p x -m' 'rank -p x y -m' 'template -m' 'perplexity -f /dev/null -m' 'bench -m' ''; do
    # shellcheck disable=SC2086 # several words
    for file in missing.gguf empty.gguf short.gguf zeros.bin folder; do
        expect 1 "$file" $command "$dir/$file"
    done
done
expect 1 'prompt.txt' generate -m "$dir/empty.gguf" -f "$dir/prompt.txt"

# ---- a JSON that is nested deep, in a config.json; more places below ----
head -c 100000 /dev/zero | tr '\0' '[' >"$dir/folder/config.json"
expect 1 'config.json.*nested' info "$dir/folder"

# ---- a reward model predicts no text ----
reward=${HEKLA_SOURCE_DIR:-.}/tests/golden/hf/llama-reward
expect 0 '^kind *reward model' info "$reward"
expect 0 '"reward_model":.true' info "$reward" --json
for command in 'chat' 'generate -p x -m' "perplexity -f $reward/config.json -m" 'bench -m'; do
    # shellcheck disable=SC2086 # several words
    expect 1 'is a reward model.*hekla rank' $command "$reward"
done

if [ ! -d "$shared/models" ]; then
    echo "skipped: no shared folder: damaged models were not tried"
    [ "$failures" -eq 0 ] && exit 77
    exit 1
fi

# ---- the test models, cut at 200 places ----
cut_everywhere() # FILE: a whole one that is cut in place
{
    size=$(wc -c <"$1")
    cp "$1" "$dir/whole"
    i=0
    while [ $i -lt 200 ]; do
        head -c $((size * i / 200)) "$dir/whole" >"$1"
        "$HEKLA" info "$2" >"$dir/out" 2>"$dir/err"
        got=$?
        if [ $got -ne 1 ] || [ "$(grep -c '' "$dir/err")" -ne 1 ]; then
            fail "$1 cut to $((size * i / 200)) of $size bytes: status $got"
        fi
        i=$((i + 1))
    done
    cp "$dir/whole" "$1"
}
stories=$shared/models/stories260K
mkdir "$dir/stories" "$dir/tarot"
cp "$stories"/stories260K.gguf "$stories"/stories260K.bin "$dir/stories"
cp "$stories"/tok512.bin "$dir/stories/tokenizer.bin"
cp "$shared"/models/tarotble/*.json "$shared/models/tarotble/model.safetensors" "$dir/tarot"
rm -f "$dir/tarot/reference.json"
chmod -R u+w "$dir"
expect 0 '^architecture *llama' info "$dir/stories/stories260K.gguf"
expect 0 '^architecture *llama' info "$dir/stories/stories260K.bin"
expect 0 '^architecture *gpt2' info "$dir/tarot"
expect 1 'has no chat template' template -m "$dir/tarot"
printf '{{ bos_token }}{{ eos_token }}' >"$dir/tokens.jinja"
render 0 '<s></s>' '{}' -m "$dir/stories/stories260K.gguf" --template "$dir/tokens.jinja"
render 0 'B</s>' '{"bos_token": "B"}' -m "$dir/stories/stories260K.gguf" --template "$dir/tokens.jinja"
cp "$dir/tokens.jinja" "$dir/tarot/chat_template.jinja"
render 0 '<|endoftext|><|endoftext|>' '{}' -m "$dir/tarot"
cut_everywhere "$dir/stories/stories260K.gguf" "$dir/stories/stories260K.gguf"
cut_everywhere "$dir/stories/stories260K.bin" "$dir/stories/stories260K.bin"
cut_everywhere "$dir/stories/tokenizer.bin" "$dir/stories/stories260K.bin"
cut_everywhere "$dir/tarot/model.safetensors" "$dir/tarot"

# ---- what a checkpoint says is wrong; the C reference stands for a device ----
reference="--device reference -n 2 -q"
tarot() # SED_SCRIPT PATTERN: with config.json changed
{
    sed "$1" "$shared/models/tarotble/config.json" >"$dir/tarot/config.json"
    # shellcheck disable=SC2086
    expect 1 "$2" generate -m "$dir/tarot" -p x $reference
    cp "$shared/models/tarotble/config.json" "$dir/tarot"
}
tarot 's/"n_embd": 128/"n_embd": 64/' 'token_embd.*128.*64'
tarot 's/"vocab_size": 1000/"vocab_size": 1001/' '1000.*1001'
tarot 's/"n_layer": 4/"n_layer": 5/' 'blk\.4'
tarot 's/"n_head": 4/"n_head": 0/' 'hekla: .*n_head'
tarot 's/GPT2LMHeadModel/GptxModel/; s/"gpt2"/"gptx"/' 'gptx.*llama.*gpt2\|gptx.*gpt2.*llama'
# an offset past the end: in a GGUF tensor entry (name, dimensions, shape, type, offset) and in a safetensors header
# shellcheck disable=SC2086
{
    at=$(LC_ALL=C grep -abo 'output_norm\.weight' "$dir/stories/stories260K.gguf" | head -1 | cut -d: -f1)
    printf '\000\000\000\000\377\377\377\177' |
        dd of="$dir/stories/stories260K.gguf" bs=1 seek=$((at + 18 + 4 + 8 + 4)) conv=notrunc 2>/dev/null
    expect 1 'output_norm.weight' generate -m "$dir/stories/stories260K.gguf" -p x $reference
    LC_ALL=C sed '1s/"data_offsets":\[0,/"data_offsets":[9,/' "$shared/models/tarotble/model.safetensors" \
        >"$dir/tarot/model.safetensors"
    cmp -s "$dir/tarot/model.safetensors" "$shared/models/tarotble/model.safetensors" && fail "no data_offsets found"
    expect 1 'model.safetensors' generate -m "$dir/tarot" -p x $reference
    {
        head -c 2000000 "$shared/models/tarotble/model.safetensors"
        tail -c +2000001 "$shared/models/tarotble/model.safetensors" | LC_ALL=C tr '\000-\377' '[\377*]' # NaN
    } >"$dir/tarot/model.safetensors"
    expect 1 'no numbers' generate -m "$dir/tarot" -p x $reference
    cp "$shared/models/tarotble/model.safetensors" "$dir/tarot"
    expect 1 'vocabulary alone' generate -m "$shared/tokenizers/ggml-vocab-gpt-2.gguf" -p x $reference
    expect 1 'ids from 0 to 511' generate -m "$stories/stories260K.bin" --tokenizer "$stories/tok512.bin" -p x $reference --logit-bias 512=1
    expect 1 'has 7 tokens.*4' generate -m "$stories/stories260K.gguf" -p 'Once upon a time there was' $reference --ctx 4
}
{
    printf '\240\206\001\000\000\000\000\000' # 100000, the header's length
    head -c 100000 /dev/zero | tr '\0' '['
} >"$dir/tarot/model.safetensors"
expect 1 'model.safetensors.*nested' info "$dir/tarot"
cp "$shared/models/tarotble/model.safetensors" "$dir/tarot"
head -c 100000 /dev/zero | tr '\0' '[' >"$dir/tarot/tokenizer.json"
expect 1 'tokenizer.json.*nested' info "$dir/tarot"
cp "$shared/models/tarotble/tokenizer.json" "$dir/tarot"
for vocabulary in "$shared"/tokenizers/*.gguf; do expect 0 '^tokenizer ' info "$vocabulary"; done

# ---- output ----
"$HEKLA" info "$dir/tarot" --json >"$dir/out" 2>"$dir/err" || fail "info --json"
grep -q '"parameters":.929536' "$dir/out" || fail "info --json: no parameters"
if [ -e /dev/full ]; then
    # shellcheck disable=SC2086
    "$HEKLA" generate -m "$dir/tarot" -p x $reference >/dev/full 2>"$dir/err" && fail "a full disk goes unseen"
    grep -q '^hekla: standard output' "$dir/err" || fail "a full disk is not named"
fi

[ "$failures" -eq 0 ] || { echo "$failures failures"; exit 1; }
