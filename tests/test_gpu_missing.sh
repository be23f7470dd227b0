#!/bin/sh
# No library, no driver, no device: three different errors of one line, each with what to install, exit status 1.
set -u
[ -x "${HEKLA:-}" ] || { echo "skipped: no hekla program"; exit 77; }
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
failed=0

# expect WORDS COMMAND...: exit 1, nothing on stdout, one line on stderr that contains the words
expect()
{
    words=$1
    shift
    "$@" >"$dir/out" 2>"$dir/err"
    status=$?
    # Mesa's and the loader's own remarks are not ours.
    lines=$(grep -c '^hekla: ' "$dir/err")
    if [ $status -ne 1 ] || [ -s "$dir/out" ] || [ "$lines" -ne 1 ] || ! grep -q "^hekla: .*$words" "$dir/err"; then
        echo "expected status 1 and one line with '$words'; got status $status and:"
        cat "$dir/out" "$dir/err"
        failed=1
    fi
}

: >"$dir/libvulkan.so.1" # a library that cannot be loaded hides the real one
: >"$dir/libvulkan.so"
expect "was not found: install libvulkan1" env LD_LIBRARY_PATH="$dir" "$HEKLA" devices
expect "no driver (ICD) was found: install mesa-vulkan-drivers" \
    env VK_DRIVER_FILES="$dir/none.json" VK_ICD_FILENAMES="$dir/none.json" "$HEKLA" devices

# A GPU's driver on a machine without that GPU.
for icd in /usr/share/vulkan/icd.d/radeon_icd*.json; do
    [ -f "$icd" ] && [ ! -e /dev/dri ] || continue
    expect "shows no device: .*install mesa-vulkan-drivers" \
        env VK_DRIVER_FILES="$icd" VK_ICD_FILENAMES="$icd" "$HEKLA" devices
done
exit $failed
