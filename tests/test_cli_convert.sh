#!/bin/sh
# hekla convert at the command line: usage, damaged input, a full disk, Ctrl-C; after each failure one line of error,
# exit status 1, and nothing new in the folder.
# $HEKLA: the program. Files from the shared folder ($HEKLA_SHARED, else shared/ beside the source) where it is there.
set -u
: "${HEKLA:?the program}"
source=${HEKLA_SOURCE_DIR:-.}
shared=${HEKLA_SHARED:-$source/../shared}
golden=$source/tests/golden/hf
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM
mkdir "$dir/out"
failures=0

fail()
{
    echo "FAILED: $*"
    sed 's/^/    /' "$dir/err" | head -5
    failures=$((failures + 1))
}

# converts ARGUMENT...: success, and the new file is a GGUF that opens
converts()
{
    "$HEKLA" convert "$@" >"$dir/stdout" 2>"$dir/err" </dev/null || fail "convert $*: status $?"
    [ ! -s "$dir/stdout" ] || fail "convert $*: something on stdout"
    "$HEKLA" info "$2" >"$dir/info" 2>"$dir/err" || fail "convert $*: the new file does not open"
}

# nothing_new: the folder for new files is empty
nothing_new()
{
    [ -z "$(ls -A "$dir/out")" ] || { fail "$1: it left $(ls -A "$dir/out")"; rm -f "$dir"/out/* "$dir"/out/.*; } 2>/dev/null
}

# one_line STATUS PATTERN WHAT: the last run's status was 1 and its error one line with PATTERN
one_line()
{
    [ "$1" -eq 1 ] || fail "$3: status $1, not 1"
    [ "$(grep -c '' "$dir/err")" -eq 1 ] || fail "$3: not one line of error"
    grep -q "^hekla: .*$2" "$dir/err" || fail "$3: no '$2' in the error"
    nothing_new "$3"
}

# refuses PATTERN IN OUT...
refuses()
{
    pattern=$1
    shift
    "$HEKLA" convert "$@" >"$dir/stdout" 2>"$dir/err" </dev/null
    one_line $? "$pattern" "convert $*"
}

# wrong PATTERN ARGUMENT...: wrong usage
wrong()
{
    pattern=$1
    shift
    "$HEKLA" convert "$@" >"$dir/stdout" 2>"$dir/err" </dev/null
    got=$?
    [ $got -eq 2 ] || fail "convert $*: status $got, not 2"
    grep -q -e "$pattern" "$dir/err" || fail "convert $*: no '$pattern' in the error"
    nothing_new "convert $*"
}

# ---- usage ----
"$HEKLA" --help | grep -q '^  convert ' || fail "--help does not list convert"
"$HEKLA" convert --help >"$dir/help" || fail "convert --help"
grep -q '^usage: hekla convert IN OUT' "$dir/help" || fail "no usage"
grep -q '^examples:' "$dir/help" || fail "no examples"
awk 'length > 100 { exit 1 }' "$dir/help" || fail "convert --help is wider than 100"
wrong 'no model'
wrong 'no name for the new file' x
wrong 'one too many' x y z
wrong "type 'q9': one of f32, f16, bf16, q8_0" x y --type q9
wrong 'from 1 to 128' x y --threads 0

# ---- what works ----
model=$dir/model.gguf
converts "$golden/llama-gqa" "$model"
grep -q '^architecture *llama' "$dir/info" || fail "another architecture"
for t in f16 bf16 q8_0 q4_0; do
    converts "$model" "$dir/$t.gguf" --type $t --threads 2
    grep -q " $t " "$dir/info" || fail "no tensor of type $t"
done
"$HEKLA" convert "$model" "$dir/f16.gguf" --type q8_0 >"$dir/stdout" 2>"$dir/err" || fail "a GGUF file is not replaced"
grep -q '^hekla: .*blocks of 32' "$dir/err" || fail "no word about rows that are no whole blocks"
"$HEKLA" convert -q "$model" "$dir/f16.gguf" --type q8_0 >"$dir/stdout" 2>"$dir/err" || fail "convert -q"
[ ! -s "$dir/err" ] || fail "convert -q is not quiet"

# ---- what is refused ----
refuses 'missing.gguf' "$dir/missing.gguf" "$dir/out/a.gguf"
refuses 'is the checkpoint that is read' "$model" "$model"
ln -s "$model" "$dir/link.gguf"
refuses 'is the checkpoint that is read' "$model" "$dir/link.gguf"
refuses 'is the checkpoint that is read' "$golden/llama-gqa" "$golden/llama-gqa/model.safetensors"
refuses 'no GGUF file' "$golden/llama-gqa" "$golden/llama-gqa/config.json"
refuses 'is a folder' "$model" "$dir/out"
refuses 'neither a file nor a folder' "$model" /dev/null
refuses 'cannot be made' "$model" "$dir/none/a.gguf"
refuses 'keeps its own tokenizer' "$model" "$dir/out/a.gguf" --tokenizer "$golden/llama-tokenizer/tokenizer.json"
refuses 'activation' "$golden/gpt2-odd" "$dir/out/a.gguf"

# ---- a full disk: as a limit on the size of files, which fails in the same place ----
(
    trap '' XFSZ
    ulimit -f 40 # of 512 bytes
    "$HEKLA" convert "$model" "$dir/out/a.gguf" >"$dir/stdout" 2>"$dir/err"
)
one_line $? 'a.gguf: cannot be written' 'a full disk'

# ---- Ctrl-C and an end from outside, in the middle of 1 GiB of zeros ----
{
    # GGUF 3, one tensor, one key: general.architecture = "x"; "w.weight", (16384, 16384), f32, at offset 0
    printf 'GGUF\003\000\000\000\001\000\000\000\000\000\000\000\001\000\000\000\000\000\000\000'
    printf '\024\000\000\000\000\000\000\000general.architecture\010\000\000\000\001\000\000\000\000\000\000\000x'
    printf '\010\000\000\000\000\000\000\000w.weight\002\000\000\000\000\100\000\000\000\000\000\000'
    printf '\000\100\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000'
} >"$dir/zeros.gguf"
size=$(($(wc -c <"$dir/zeros.gguf") + 31 & ~31))
truncate -s $((size + 1073741824)) "$dir/zeros.gguf"
if [ "$(du -k "$dir/zeros.gguf" | cut -f1)" -lt 100000 ]; then
    for signal in INT TERM HUP; do
        "$HEKLA" convert "$dir/zeros.gguf" "$dir/out/a.gguf" --type q4_0 --threads 1 >"$dir/stdout" 2>"$dir/err" &
        pid=$!
        i=0 # until it writes
        while [ $i -lt 100 ] && [ -z "$(ls -A "$dir/out")" ]; do sleep 0.05; i=$((i + 1)); done
        [ -n "$(ls -A "$dir/out")" ] || fail "nothing is written"
        [ ! -e "$dir/out/a.gguf" ] || fail "the file has its name before it is whole"
        kill -s $signal $pid
        wait $pid
        one_line $? 'cancelled' "signal $signal"
    done
fi
rm -f "$dir/zeros.gguf"

# ---- damaged input ----
# damaged FILE IN: FILE cut at 40 places, and with 40 single bytes changed; a byte of a weight may change unseen
damaged()
{
    size=$(wc -c <"$1")
    rm -f "$dir/whole"
    cp "$1" "$dir/whole"
    i=0
    while [ $i -lt 40 ]; do
        rm "$1" # some file systems flush a file that is written over
        head -c $((size * i / 40)) "$dir/whole" >"$1"
        "$HEKLA" convert "$2" "$dir/out/a.gguf" --type q8_0 >"$dir/stdout" 2>"$dir/err"
        one_line $? '' "$1 cut to $((size * i / 40)) of $size bytes"
        i=$((i + 1))
    done
    i=0
    while [ $i -lt 40 ]; do
        rm "$1"
        cp "$dir/whole" "$1"
        at=$((i * i * 7 % size)) # most in the front
        printf '\377' | dd of="$1" bs=1 seek=$at conv=notrunc 2>/dev/null
        "$HEKLA" convert -q "$2" "$dir/out/a.gguf" --type q8_0 >"$dir/stdout" 2>"$dir/err"
        got=$?
        if [ $got -eq 0 ]; then rm -f "$dir/out/a.gguf"; else one_line $got '' "$1 with another byte $at"; fi
        i=$((i + 1))
    done
    cp "$dir/whole" "$1"
}
mkdir "$dir/hf"
cp "$golden/llama-tokenizer/"*.json "$golden/llama-tokenizer/model.safetensors" "$dir/hf"
chmod -R u+w "$dir/hf"
damaged "$model" "$model"
damaged "$dir/hf/model.safetensors" "$dir/hf"
damaged "$dir/hf/tokenizer.json" "$dir/hf"

if [ ! -d "$shared/models" ]; then
    echo "skipped: no shared folder: real models were not tried"
    [ "$failures" -eq 0 ] && exit 77
    exit 1
fi
mkdir "$dir/stories"
stories=$shared/models/stories260K
cp "$stories/stories260K.bin" "$dir/stories"
cp "$stories/tok512.bin" "$dir/stories/tokenizer.bin"
chmod -R u+w "$dir/stories"
damaged "$dir/stories/stories260K.bin" "$dir/stories/stories260K.bin"
damaged "$dir/stories/tokenizer.bin" "$dir/stories/stories260K.bin"

# ---- real models: the same greedy text ----
converts "$stories/stories260K.gguf" "$dir/copy.gguf"
cmp "$stories/stories260K.gguf" "$dir/copy.gguf" || fail "a GGUF file as it is is another"
converts "$dir/stories/stories260K.bin" "$dir/bin.gguf"
converts "$shared/models/tarotble" "$dir/tarot.gguf"
text() { "$HEKLA" generate -m "$1" -p "Once upon a time" -n 24 --temp 0 --device reference -q 2>"$dir/err"; }
[ "$(text "$dir/bin.gguf")" = "$(text "$dir/stories/stories260K.bin")" ] || fail "llama2.c: another text"
[ "$(text "$dir/tarot.gguf")" = "$(text "$shared/models/tarotble")" ] || fail "tarotble: another text"
[ -n "$(text "$dir/bin.gguf")" ] || fail "no text at all"

[ "$failures" -eq 0 ] || { echo "$failures failures"; exit 1; }
