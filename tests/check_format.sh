#!/bin/sh
# check_format.sh SOURCE_DIR: every C file is as .clang-format says. Skipped (77) where there is no clang-format, or
# another major version than the one whose output is the rule: they disagree with each other.
cd "$1" || exit 1
tool=$(command -v clang-format-14 || command -v clang-format) || { echo "skipped: no clang-format"; exit 77; }
case $("$tool" --version) in
*"version 14."*) ;;
*) echo "skipped: the rule is clang-format 14, here is $("$tool" --version)"; exit 77 ;;
esac
files=$(find loader runtime tools tests shaders -name '*.[ch]' | sort)
[ -n "$files" ] || exit 1
bad=
for file in $files; do
    "$tool" "$file" | cmp -s - "$file" || bad="$bad $file"
done
[ -z "$bad" ] && exit 0
echo "not as .clang-format says; run: ${tool##*/} -i$bad"
exit 1
