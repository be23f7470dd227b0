# Sourced by tests of the command line: a folder $dir, failures that are counted, and what reads $HEKLA's JSON with a shell's
# tools. $HEKLA: the program.
: "${HEKLA:?the program}"
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM
failures=0
export XDG_STATE_HOME="$dir"

fail()
{
    echo "FAILED: $*"
    failures=$((failures + 1))
}

# run ARGUMENT...: stdout to $dir/out; stderr to $dir/err and on to the log, where the validation layers are looked for
run()
{
    "$HEKLA" "$@" >"$dir/out" 2>"$dir/err"
    status=$?
    cat "$dir/err"
    [ $status -eq 0 ] || fail "hekla $*: status $status"
}

# values KEY: of the JSON in $dir/out, one per line, in the order in which they stand there
values()
{
    sed -n 's/^[ \t]*"'"$1"'":[ \t]*\(.*[^,]\),\{0,1\}$/\1/p' "$dir/out"
}
# candidates KEY: the same of the candidates alone
candidates()
{
    sed '1,/"candidates":/d; /^\t\t}\]/,$d' "$dir/out" | sed -n 's/^[ \t{]*"'"$1"'":[ \t]*\(.*[^,]\),\{0,1\}$/\1/p'
}
# text of a JSON string, as $HEKLA writes it
unquote()
{
    printf '%b' "$(printf '%s\n' "$1" | sed 's/^"//; s/"$//; s/\\"/"/g')"
}
near() # A B: within a thousandth
{
    awk -v a="$1" -v b="$2" 'BEGIN { d = a - b; exit !(d < 0.001 && d > -0.001) }'
}

finish()
{
    [ "$failures" -eq 0 ] || { echo "$failures failures"; exit 1; }
    exit 0
}
