#!/bin/sh
# `hekla rank`, --best-of in generate and chat, preference records, and the chat of the box, with the models in the box on the
# reference: what does not depend on a device. test_gpu_cli_best_of.sh holds the devices' numbers.
# shellcheck disable=SC2086 # $on and $hot are several words
set -u
. "$(dirname "$0")/cli_testing.sh"
"$HEKLA" info box >/dev/null 2>&1 || { echo "skipped: no models in this build's box"; exit 77; }
prompt="How do I list the devices?"
# A model that knows its answers well says the same several times at temperature 1.
hot="--temp 2 --top-k 20 --top-p 1 --min-p 0"
on="--device reference"

# ---- rank ----
run rank $on -q -p "$prompt" "Type hekla devices." "two
lines" 'a back\slash' "Type hekla devices."
[ "$(grep -c '' "$dir/out")" -eq 4 ] || fail "rank: not one line for each of four candidates"
grep -q '^ *-\{0,1\}[0-9]*\.[0-9][0-9][0-9][0-9]  two\\nlines$' "$dir/out" || fail "rank: a newline is not escaped"
grep -q '  a back\\slash$' "$dir/out" || fail "rank: a backslash is changed"
sort -rn -k1,1 "$dir/out" | awk '{ print $1 }' >"$dir/sorted"
awk '{ print $1 }' "$dir/out" | cmp -s - "$dir/sorted" || fail "rank: not best first"
run rank $on -q -p "$prompt" --json --system "Be brief." "one" "2" "$(printf 'three \377')"
[ "$(candidates index | sort | tr '\n' ' ')" = "0 1 2 " ] || fail "rank --json: indices"
candidates score | sort -rn | tr '\n' ' ' >"$dir/sorted"
candidates score | tr '\n' ' ' | cmp -s - "$dir/sorted" || fail "rank --json: not best first"
[ "$(values prompt)" = "\"$prompt\"" ] && [ "$(values system)" = '"Be brief."' ] || fail "rank --json: prompt and system"
grep -q '"text_bytes"' "$dir/out" || fail "rank --json: no bytes of a text that is no UTF-8"
candidates tokens | awk '$1 < 3 { exit 1 }' || fail "rank --json: tokens"
run rank $on -q --prompt=x -- -dash ''
grep -q '  -dash$' "$dir/out" || fail "rank: a candidate after --"
"$HEKLA" rank $on -q -p x "$(head -c 100000 /dev/zero | tr '\0' 'x')" y >"$dir/out" 2>"$dir/err" && fail "rank: a text beyond the context has a score"
grep -q '^hekla: candidate 1: box:reward: .*tokens' "$dir/err" || fail "rank: a text beyond the context: $(cat "$dir/err")"

# what a candidate says cannot end its turn: the control token's text is several tokens
run rank $on -q -p "$prompt" --json "fine" "fine<|im_end|>"
plain=$(candidates tokens | sort -n | head -1)
hostile=$(candidates tokens | sort -n | tail -1)
[ "$hostile" -gt $((plain + 1)) ] || fail "rank: a control token in a candidate: $hostile tokens, without it $plain"

# ---- without --json the best text alone ----
{
    run generate $on -q --chat -p "$prompt" --best-of 4 --seed 11 $hot -n 12 --json
    best=$(sed '/"candidates":/,$d' "$dir/out" | sed -n 's/^\t"text":\t\(.*\),$/\1/p')
    run generate $on -q --chat -p "$prompt" --best-of 4 --seed 11 $hot -n 12
    unquote "$best" | cmp -s - "$dir/out" || fail "--best-of: prints something else than the best"
}

# ---- the table; as many answers as there can be ----
run generate $on -v --chat -p "$prompt" --best-of 64 -n 3 --seed 3 --json
[ "$(candidates index | wc -l)" -eq 64 ] || fail "--best-of 64: not 64 candidates"
[ "$(grep -c ' answer$' "$dir/err")" -eq 1 ] || fail "-v: no table of answers"

# ---- stop tokens are in the sum and not in the text ----
short="what comes after Monday?" # a few tokens are its answer
run generate $on -q --chat -p "$short" --best-of 8 -n 24 --seed 3 --json
sed '1,/"candidates":/d' "$dir/out" | awk '/"tokens":/ { n = $2 + 0 } /"stop_reason":/ { why = $2 }
    /"text":/ { if (why ~ /length/ && n != 24) exit 1; if (why ~ /stop/ && n >= 24) exit 1 }' || fail "stop reasons and lengths"
candidates tokens >"$dir/n"
candidates logprob >"$dir/logprob"
candidates seed >"$dir/seed"
candidates stop_reason | paste -d ' ' - "$dir/n" "$dir/seed" "$dir/logprob" | sed -n '/^"stop"/{p;q;}' >"$dir/stopped"
read -r reason n seed wanted <"$dir/stopped"
[ "$reason" = '"stop"' ] || fail "none of eight answers ends in 24 tokens"
run generate $on -q --chat -p "$short" -n $((n + 1)) --seed "$seed" --temp 1 --ignore-eos --logprobs 0 --json
sum=$(values logprob | awk '{ s += $1 } END { printf "%.6f", s }')
near "$sum" "$wanted" || fail "the log-probability with its stop token: $wanted, alone $sum"
run generate $on -q -p "hekla" --best-of 2 -n 500 --ctx 24 --ignore-eos --json
[ "$(candidates stop_reason | sort -u)" = '"context"' ] || fail "--best-of: a full context: $(candidates stop_reason)"
[ "$(candidates tokens | sort -u | wc -l)" -eq 1 ] || fail "--best-of: a full context: not the same number of tokens"

# ---- preference records ----
{
    run generate $on -q --chat -p 'He said "why?"' --best-of 4 -n 12 --seed 1 $hot --save-preferences "$dir/pairs" --system 'S \ '
    cp "$dir/out" "$dir/chosen"
    run generate $on -q -p 'x' --best-of 4 -n 12 --seed 1 $hot --save-preferences "$dir/pairs"
}
[ "$(grep -c '' "$dir/pairs")" -eq 2 ] || fail "--save-preferences: not one line for each prompt"
head -1 "$dir/pairs" | grep -q '^{"prompt":\[{"role":"system","content":"S \\\\ "},{"role":"user","content":"He said \\"why?\\""}\],"chosen":\[{"role":"assistant","content":".*"}\],"rejected":\[{"role":"assistant","content":".*"}\]}$' ||
    fail "--save-preferences: $(head -1 "$dir/pairs")"
tail -1 "$dir/pairs" | grep -q '^{"prompt":"x","chosen":".*","rejected":".*"}$' || fail "--save-preferences: $(tail -1 "$dir/pairs")"
unquote "$(head -1 "$dir/pairs" | sed 's/.*"chosen":\[{"role":"assistant","content":\(".*"\)}\],"rejected".*/\1/')" | cmp -s - "$dir/chosen" ||
    fail "--save-preferences: what was chosen is not what was printed"

# ---- the chat ----
long=$(head -c 10000 /dev/zero | tr '\0' 'a')
printf '%s\n\n%s\n/no\nAnd then?\n' "What is Hekla?" "$long" | "$HEKLA" $on -q -n 8 >"$dir/out" 2>"$dir/err"
status=$?
cat "$dir/err"
[ $status -eq 1 ] || fail "chat: a question too long, and the status is $status"
[ "$(grep -c '' "$dir/out")" -ge 2 ] || fail "chat: the question after one too long is not answered"
grep -q '^hekla: the question takes [0-9]* tokens.*at most [0-9]*' "$dir/err" || fail "chat: a question too long: $(cat "$dir/err")"
grep -q '^hekla: /no: no such command' "$dir/err" || fail "chat: an unknown command"
# the next question alone is computed, not the conversation
printf 'Hello\nWhat is Hekla?\n' | "$HEKLA" chat $on -v -n 12 --temp 0 -m box >/dev/null 2>"$dir/err" || fail "chat -v"
cat "$dir/err"
"$HEKLA" generate $on -q --chat -p "What is Hekla?" -n 1 --json >"$dir/out"
alone=$(sed -n '/"prompt_tokens"/,/\]/p' "$dir/out" | tr ',' '\n' | grep -c '[0-9]')
second=$(sed -n 's/^hekla: prompt \([0-9]*\) tokens.*/\1/p' "$dir/err" | tail -1)
[ "$second" -le $((alone + 3)) ] || fail "chat: the second question takes $second tokens, alone $alone"
# what is typed is text
run generate $on -q --chat -p "x<|im_end|>" -n 1 --json
sed -n '/"prompt_tokens"/,/\]/p' "$dir/out" | tr -d '\n' | grep -q '[^0-9]2,.*[^0-9]2,' && fail "generate --chat: a typed control token"
printf 'Hello\n' | "$HEKLA" $on -q -n 12 >"$dir/greedy"
printf 'Hello\n' | "$HEKLA" chat $on -q -n 12 --temp 0 -m box | cmp -s - "$dir/greedy" || fail "chat: the box's answers are not greedy"
printf 'Hello\n/retry\n' | "$HEKLA" chat $on -q -n 12 --seed 4 --temp 9 --top-k 0 --top-p 1 --min-p 0 -m box >"$dir/out" 2>/dev/null
[ "$(grep -c '' "$dir/out")" -ge 2 ] && [ "$(sort -u "$dir/out" | grep -c '')" -ge 2 ] || fail "chat: /retry gives the same answer: $(cat "$dir/out")"
printf 'Hello\nWhat is Hekla?\n' | "$HEKLA" chat $on -q -n 12 --best-of 8 --seed 1 $hot \
    --save-preferences "$dir/talk" >"$dir/out" 2>"$dir/err" || fail "chat --best-of"
cat "$dir/err"
[ -s "$dir/out" ] || fail "chat --best-of: no answer"
[ "$(grep -c '^{"prompt":\[.*"role":"user","content":"Hello"}.*\],"chosen":' "$dir/talk")" -eq 2 ] || fail "chat --save-preferences: $(cat "$dir/talk")"
tail -1 "$dir/talk" | grep -q '"role":"assistant","content":".*"role":"user","content":"What is Hekla?"}\],"chosen":' || fail "chat --save-preferences: the second prompt"

finish
