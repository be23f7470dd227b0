#!/bin/sh
# Samples in one batch and rewards, with the models in the box: the numbers are those of one answer alone. What the commands
# do with them says test_cli_best_of.sh, on the reference.
set -u
. "$(dirname "$0")/cli_testing.sh"
"$HEKLA" info box >/dev/null 2>&1 || { echo "skipped: no models in this build's box"; exit 77; }
prompt="How do I list the devices?"
# A model that knows its answers well says the same several times at temperature 1.
hot="--temp 2 --top-k 20 --top-p 1 --min-p 0"

# ---- rank ----
run rank -q -p "$prompt" "Type hekla devices." "two
lines" 'a back\slash' "Type hekla devices."
cp "$dir/out" "$dir/first"
run rank -q -p "$prompt" "Type hekla devices." 'a back\slash' "Type hekla devices." "two
lines"
sort "$dir/out" >"$dir/again"
sort "$dir/first" | cmp -s - "$dir/again" || fail "rank: another order of candidates, other scores"
alone=$("$HEKLA" rank -q -p "$prompt" 'a back\slash' | awk '{ print $1 }')
near "$alone" "$(awk '/back/ { print $1 }' "$dir/first")" || fail "rank: alone $alone, among others $(cat "$dir/first")"

# ---- best of 4: the same seed, the same answers; each candidate is what its own seed gives alone ----
# An f32 cache: with f16, sums in another order round keys and values another way now and then.
sampling="$hot --ignore-eos -n 12 --kv f32"
# shellcheck disable=SC2086 # several words
{
    run generate -q --chat -p "$prompt" --best-of 4 --seed 11 --json $sampling
    cp "$dir/out" "$dir/four"
    for key in index score logprob token_ids text; do candidates $key >"$dir/$key"; done
    seeds=$(candidates seed | tr '\n' ' ')
    run generate -q --chat -p "$prompt" --best-of 4 --seed 11 --json $sampling
    for key in index score logprob token_ids text; do
        candidates $key | cmp -s - "$dir/$key" || fail "--best-of: the same seed, another $key"
    done
    [ "$(sort "$dir/index" | tr '\n' ' ')" = "0 1 2 3 " ] || fail "--best-of: indices"
    sort -rn "$dir/score" | cmp -s - "$dir/score" || fail "--best-of: not best first"
    [ "$(sort "$dir/text" | uniq | wc -l)" -gt 1 ] || fail "--best-of: four times the same text"
    best=$(sed '/"candidates":/,$d' "$dir/four" | sed -n 's/^\t"text":\t\(.*\),$/\1/p')
    [ "$best" = "$(head -1 "$dir/text")" ] || fail "--best-of: the text is not the first candidate's: $best"
    i=0
    for seed in $seeds; do
        i=$((i + 1))
        run generate -q --chat -p "$prompt" --seed "$seed" --logprobs 0 --json $sampling
        values id | tr '\n' ' ' >"$dir/ids"
        sed -n "${i}p" "$dir/token_ids" | tr -d '[],' | cmp -s - "$dir/ids" ||
            [ "$(sed -n "${i}p" "$dir/token_ids" | tr -d '[],') " = "$(cat "$dir/ids")" ] ||
            fail "--best-of: candidate $i is not what --seed $seed gives: $(sed -n "${i}p" "$dir/token_ids")"
        sum=$(values logprob | awk '{ s += $1 } END { printf "%.6f", s }')
        near "$sum" "$(sed -n "${i}p" "$dir/logprob")" || fail "candidate $i: log-probability $(sed -n "${i}p" "$dir/logprob"), alone $sum"
    done
    # the score is rank's
    second=$(unquote "$(sed -n 2p "$dir/text")"; printf .) # a newline at its end is its own
    second=${second%.}
    score=$("$HEKLA" rank -q --kv f32 -p "$prompt" -- "$second" | awk '{ print $1 }')
    near "$score" "$(sed -n 2p "$dir/score")" || fail "--best-of: score $(sed -n 2p "$dir/score"), rank's $score"
}

# ---- many branches ----
run generate -q --chat -p "$prompt" --best-of 20 -n 3 --seed 3 --json
[ "$(candidates index | wc -l)" -eq 20 ] || fail "--best-of 20: not 20 candidates"

# ---- Ctrl-C: what is finished counts, and what is not is kept behind it ----
# The signal must come while the samples are written: the moment is looked for.
seen=
for delay in 0.2 0.4 0.6 0.8 1 1.5 2 3 4; do
    "$HEKLA" generate --chat -p "$prompt" --best-of 16 -n 400 --ignore-eos --json >"$dir/out" 2>"$dir/err" &
    pid=$!
    sleep $delay
    kill -INT $pid 2>/dev/null
    wait $pid
    status=$?
    candidates stop_reason | grep -q interrupted || continue
    seen=1
    [ $status -eq 0 ] || fail "Ctrl-C: status $status"
    [ "$(candidates index | wc -l)" -eq 16 ] || fail "Ctrl-C: candidates are lost"
    break
done
[ "$seen" ] || fail "Ctrl-C: no sample was interrupted"

finish
