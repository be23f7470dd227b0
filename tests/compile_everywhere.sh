#!/bin/sh
# compile_everywhere.sh COMPILE_KERNELS [OUT_DIR]: compile_kernels through the compilers of GPUs that are not here.
#
# Debian's package mesa-drm-shim puts kernel drivers that do nothing under Mesa's drivers. (RADV_FORCE_FAMILY of Mesa 22 is
# no way: its null device makes neither semaphores nor fences, and crashes where it is closed.) A driver or a shim that is
# not installed is skipped, saying so; so is a device below Hekla's floor. The texts go to OUT_DIR/<device>.txt.
#
# HEKLA_COMPILE_DEVICES: which, of the list below; all unless said otherwise (one or two minutes each).
# Exit status: 1 when a kernel was refused or a driver crashed, 77 when there was no driver at all.
set -u

program=${1:?usage: compile_everywhere.sh COMPILE_KERNELS [OUT_DIR]}
out=${2:-$(mktemp -d)}
mkdir -p "$out" || exit 2

# name, driver's file, shim, variable=value that chooses the device
devices='
polaris10  radeon    amdgpu    AMDGPU_GPU_ID=polaris10
vega10     radeon    amdgpu    AMDGPU_GPU_ID=vega10
navi10     radeon    amdgpu    AMDGPU_GPU_ID=navi10
navi21     radeon    amdgpu    AMDGPU_GPU_ID=navi21
navi31     radeon    amdgpu    AMDGPU_GPU_ID=navi31
gfx1201    radeon    amdgpu    AMDGPU_GPU_ID=gfx1201
pascal     nouveau   nouveau   NOUVEAU_CHIPSET=132
turing     nouveau   nouveau   NOUVEAU_CHIPSET=162
ampere     nouveau   nouveau   NOUVEAU_CHIPSET=172
ada        nouveau   nouveau   NOUVEAU_CHIPSET=192
blackwell  nouveau   nouveau   NOUVEAU_CHIPSET=1b2
adreno630  freedreno freedreno FD_GPU_ID=630
adreno730  freedreno freedreno FD_GPU_ID=730
adreno750  freedreno freedreno FD_GPU_ID=750
apple-m1   asahi     asahi     HEKLA_COMPILE=1
intel      intel     intel     INTEL_STUB_GPU_PLATFORM=tgl
'
chosen=${HEKLA_COMPILE_DEVICES:-$(echo "$devices" | awk '{ print $1 }')}

# first NAME...: the first of the paths that is there
first()
{
    for path in "$@"; do
        [ -e "$path" ] && echo "$path" && return
    done
}

ran=0
failed=0
# run NAME VARIABLE=VALUE...: one device
run()
{
    name=$1
    shift
    # No cache: it would answer in the compiler's place, and without what the compiler says.
    env MESA_SHADER_CACHE_DISABLE=true "$@" timeout "${HEKLA_COMPILE_TIMEOUT:-900}" "$program" > "$out/$name.txt" 2>&1
    status=$?
    case $status in
    0) echo "$name: $(tail -n 1 "$out/$name.txt")" ;;
    77) echo "$name: skipped: $(tail -n 1 "$out/$name.txt")" ;;
    *)
        echo "$name: FAILED (status $status): $(grep '^FAIL' "$out/$name.txt" || tail -n 1 "$out/$name.txt")"
        failed=1
        ;;
    esac
    [ $status -eq 77 ] || ran=1
}

for name in $chosen; do
    # The fields hold no spaces: taken apart on purpose.
    set -- $(echo "$devices" | awk -v name="$name" '$1 == name')
    if [ $# -ne 4 ]; then
        echo "$name: not in the list: $(echo "$devices" | awk '{ printf "%s ", $1 }')"
        failed=1
        continue
    fi
    icd=$(first /usr/share/vulkan/icd.d/"$2"_icd*.json /usr/local/share/vulkan/icd.d/"$2"_icd*.json)
    shim=$(first /usr/lib/*/lib"$3"_noop_drm_shim.so /usr/lib/lib"$3"_noop_drm_shim.so \
        /usr/lib64/lib"$3"_noop_drm_shim.so /usr/local/lib/*/lib"$3"_noop_drm_shim.so)
    if [ -z "$icd" ]; then
        echo "$name: skipped: no driver $2 (mesa-vulkan-drivers)"
    elif [ -z "$shim" ]; then
        echo "$name: skipped: no lib$3_noop_drm_shim.so (mesa-drm-shim)"
    else
        run "$name" VK_DRIVER_FILES="$icd" VK_ICD_FILENAMES="$icd" LD_PRELOAD="$shim" "$4"
    fi
done

[ $failed -eq 0 ] || exit 1
[ $ran -eq 1 ] || exit 77
