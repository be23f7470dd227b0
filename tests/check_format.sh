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
# shellcheck disable=SC2086 # file names of ours have no spaces
"$tool" --dry-run --Werror $files
