#!/bin/sh
# Hekla as a library, as another program sees it: installed to a prefix of its own and moved there, found by pkg-config,
# compiled with every warning as C11 and C++17, linked to either library. Skipped where the build made no library.
# $HEKLA_BUILD: the build folder. $CMAKE, $CC: what it was made with.
set -u
[ -f "${HEKLA_BUILD:-}/hekla.pc" ] || { echo "skipped: this build has no library"; exit 77; }
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
src=${0%/*}/embed
strict='-Wall -Wextra -pedantic -Werror'
failed=0
fail()
{
    echo "failed: $*"
    failed=1
}

"$CMAKE" --install "$HEKLA_BUILD" --prefix "$dir/first" >"$dir/log" 2>&1 || { cat "$dir/log"; exit 1; }
mv "$dir/first" "$dir/prefix"
prefix=$dir/prefix
header=$(find "$prefix" -name hekla.h)
lib=$(dirname "$(find "$prefix" -name hekla.pc)")/..
for file in "$prefix/bin/hekla" "$lib/libhekla.so" "$lib/libhekla.a" "$prefix/share/doc/hekla/LICENSE"; do
    [ -e "$file" ] || fail "not installed: $file"
done
[ "$(find "$prefix" -name '*.h' | wc -l)" -eq 1 ] || fail "more than one header is installed"

# ---- the header, alone ----
if grep -q '^#include "' "$header"; then fail "the header includes files of ours"; fi
# What it declares is what the library shows: every function has HK_API, and nothing else is seen.
if grep -nE '^[a-z][a-zA-Z_0-9 *]*hk_[a-z0-9_]+\(' "$header" | grep -v typedef; then fail "functions without HK_API"; fi
nm -D --defined-only "$lib/libhekla.so" | sed 's/.* //; s/@.*//' | sort >"$dir/shown"
if grep -v '^hk_' "$dir/shown"; then fail "libhekla.so shows names that are not hk_"; fi
tr '\n' ' ' <"$header" | grep -oE 'HK_API [^;]*' | grep -oE 'hk_[a-z0-9_]+\(' | tr -d '(' | sort -u >"$dir/declared"
diff "$dir/declared" "$dir/shown" >"$dir/diff" || { cat "$dir/diff"; fail "declared (<) is not what is shown (>)"; }
nm --defined-only --extern-only "$lib/libhekla.a" | sed -n 's/^[0-9a-f].* //p' | sort >"$dir/archive"
if grep -v '^hk_' "$dir/archive"; then fail "libhekla.a shows names that are not hk_"; fi

compilers="$CC -std=c11 -x c"
cxx=$(command -v g++ || command -v clang++ || command -v c++) || echo "left out: C++: no compiler for it"
for compiler in "$compilers" ${cxx:+"$cxx -std=c++17 -x c++"}; do
    # shellcheck disable=SC2086
    $compiler $strict -fsyntax-only "$header" || fail "hekla.h: $compiler"
done

# README.md shows chat.c as it is.
shown=$(awk '/^    #include <hekla.h>/ { on = 1 } /^    cc / { on = 0 } on { sub(/^    /, ""); print }' "$src/../../README.md")
[ "$shown" = "$(cat "$src/chat.c")" ] || fail "README.md's program is not tests/embed/chat.c"

# ---- programs ----
command -v pkg-config >/dev/null || { echo "left out: programs: no pkg-config"; exit $failed; }
PKG_CONFIG_PATH=$lib/pkgconfig
export PKG_CONFIG_PATH
cflags=$(pkg-config --cflags hekla) && libs=$(pkg-config --libs hekla) && box=$(pkg-config --variable=boxdir hekla) ||
    { fail "pkg-config does not know hekla"; exit 1; }
static=$(pkg-config --static --libs hekla | sed 's/-lhekla//')
# shellcheck disable=SC2086
{
    $CC -std=c11 $strict $cflags "$src/names.c" "$lib/libhekla.a" $static -o "$dir/names" || fail "static link"
    $CC -std=c11 $strict $cflags "$src/names.c" $libs -Wl,-rpath,"$lib" -o "$dir/names-shared" || fail "shared link"
}
[ -e "$box/chat.gguf" ] || { echo "left out: what programs say: this build has no box"; exit $failed; }
for program in names names-shared; do
    said=$("$dir/$program" "$box/chat.gguf") && [ "$said" = "$box/chat.gguf" ] || fail "$program: $said"
done

# ---- a chat with the box, in both languages: what the program says ----
# shellcheck disable=SC2086
$CC -std=c11 $strict $cflags "$src/chat.c" $libs -Wl,-rpath,"$lib" -o "$dir/chat-c" || fail "chat.c"
# shellcheck disable=SC2086
[ -z "$cxx" ] || $cxx -std=c++17 $strict $cflags "$src/chat.cpp" $libs -Wl,-rpath,"$lib" -o "$dir/chat-cpp" || fail "chat.cpp"
want=$(printf 'Hello\n' | "$prefix/bin/hekla" chat -m box --device reference -q -n 12 --temp 0)
[ -n "$want" ] || fail "hekla chat says nothing"
if [ -n "$cxx" ]; then
    said=$("$dir/chat-cpp" "$box/chat.gguf" reference) && [ "$said" = "$want" ] || fail "chat.cpp: $said"
fi
said=$("$dir/chat-c" "$box/chat.gguf" Hello reference 2>&1) && [ ${#said} -gt 10 ] || fail "chat.c: $said"
said=$("$dir/chat-c" "$box/reward.gguf" Hello reference 2>&1) && fail "chat.c chats with a reward model"
echo "$said" | grep -q 'a chat model would be accepted' || fail "chat.c: a reward model: $said"
exit $failed
