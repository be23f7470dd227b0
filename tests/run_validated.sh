#!/bin/sh
# run_validated.sh PROGRAM [ARGUMENT...]: runs it under the Vulkan validation layers, core and synchronization checks,
# and fails when they say anything. The program's own failure is a failure, too.
set -u
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
trap 'exit 1' INT TERM

export VK_INSTANCE_LAYERS=VK_LAYER_KHRONOS_validation
# Two spellings of one setting: the layers of Debian 12 (1.3.239), and newer ones, which say that the first is old.
export VK_LAYER_ENABLES=VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT
export VK_LAYER_VALIDATE_SYNC=true
"$@" >"$log" 2>&1
status=$?
cat "$log"
[ $status -eq 77 ] && exit 77
objections=$(grep -E -n 'VUID-|UNASSIGNED-|SYNC-HAZARD|Validation (Error|Warning|Performance)' "$log" |
    grep -v 'VALIDATION-SETTINGS' | cut -c1-300 | head -5)
if [ -n "$objections" ]; then
    echo "run_validated: the validation layers object:"
    echo "$objections"
    exit 1
fi
exit $status
