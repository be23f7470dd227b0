#!/bin/sh
# run_validated.sh PROGRAM [ARGUMENT...]: runs it under the Vulkan validation layers, core and synchronization checks,
# and fails when they say anything. The program's own failure is a failure, too.
set -u
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
trap 'exit 1' INT TERM

export VK_INSTANCE_LAYERS=VK_LAYER_KHRONOS_validation
# Two spellings of one setting: the layers of Debian 12 (1.3.239) and those of 2024 and later.
export VK_LAYER_ENABLES=VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT
export VK_LAYER_VALIDATE_SYNC=true
export VK_KHRONOS_VALIDATION_VALIDATE_SYNC=true
# A driver that is built as a module of a browser has its own idea of where to print: keep both streams.
"$@" >"$log" 2>&1
status=$?
cat "$log"
[ $status -eq 77 ] && exit 77
if grep -E -q 'VUID-|UNASSIGNED-|SYNC-HAZARD|Validation (Error|Warning|Performance)' "$log"; then
    echo "run_validated: the validation layers object:"
    grep -E -n 'VUID-|UNASSIGNED-|SYNC-HAZARD|Validation (Error|Warning|Performance)' "$log" | cut -c1-300 | head -5
    exit 1
fi
exit $status
