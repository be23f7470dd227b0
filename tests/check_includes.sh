#!/bin/sh
# check_includes.sh SOURCE_DIR: who may include whom (README.md, "The arrows"). Prints each forbidden #include.
# check_includes.sh --self-test: plants a forbidden one of each kind and expects to find it.
set -u

# arrows ROOT: one line per forbidden include
arrows()
{
    cd "$1" || exit 1
    for file in loader/*.[ch] runtime/*.[ch] tools/*.[ch] shaders/*.h; do
        [ -f "$file" ] || continue
        base=${file##*/}
        sed -n 's/^[ \t]*#[ \t]*include[ \t]*["<]\([^">]*\)[">].*/\1/p' "$file" | while read -r inc; do
            name=${inc##*/}
            # Where the included file lives: the arrows are about folders, however the path is spelt.
            where=outside
            for dir in loader runtime tools shaders tests; do
                [ -f "$dir/$name" ] && where=$dir
            done
            forbidden=
            case $name in
            volk.h | vulkan.h | vulkan_*.h)
                case $file in
                runtime/gpu_*) ;;
                *) forbidden="only runtime/gpu_* sees Vulkan" ;;
                esac
                ;;
            esac
            case $file in
            loader/*) [ "$where" = loader ] || [ "$where" = outside ] || forbidden="the loader stands alone" ;;
            shaders/*) [ "$where" = shaders ] || [ "$where" = outside ] || forbidden="shaders/ stands alone" ;;
            tools/*)
                [ "$where" = tools ] || [ "$where" = outside ] || [ "$name" = hekla.h ] ||
                    forbidden="tools see only hekla.h"
                ;;
            runtime/*)
                [ "$where" = tools ] || [ "$where" = tests ] && forbidden="the runtime knows no $where"
                case $base in
                gpu.h | gpu_*)
                    case $where/$name in
                    outside/* | loader/base.h | runtime/os.h | runtime/gpu.h | runtime/gpu_*.h | runtime/shader_table.h | \
                        shaders/args.h) ;;
                    *) forbidden="gpu_* sees no tensors, models or loader (base.h excepted)" ;;
                    esac
                    ;;
                arch_*)
                    case $where/$name in
                    outside/* | runtime/model.h | runtime/ops.h | runtime/archs.h | runtime/arch_*.h) ;;
                    *) forbidden="arch_* sees model.h and ops.h" ;;
                    esac
                    ;;
                esac
                ;;
            esac
            [ -z "$forbidden" ] || echo "$file includes $inc: $forbidden"
        done
    done
}

if [ "$1" = --self-test ]; then
    dir=$(mktemp -d) || exit 1
    trap 'rm -rf "$dir"' EXIT
    mkdir "$dir/loader" "$dir/runtime" "$dir/tools" "$dir/shaders" "$dir/tests"
    for header in loader/base.h loader/checkpoint.h runtime/hekla.h runtime/gpu.h runtime/model.h runtime/ops.h; do
        : >"$dir/$header"
    done
    echo '#include "hekla.h"' >"$dir/loader/a.c"
    echo '#  include "../loader/base.h"' >"$dir/tools/a.c"
    echo '#include <volk.h>' >"$dir/runtime/ops.c"
    echo '#include "checkpoint.h"' >"$dir/runtime/gpu_device.c"
    echo '#include "gpu.h"' >"$dir/runtime/arch_llama.c"
    echo '#include "base.h"' >"$dir/runtime/gpu_memory.c" # allowed
    found=$(arrows "$dir" | wc -l)
    [ "$found" -eq 5 ] && exit 0
    echo "five forbidden includes planted, $found found:"
    arrows "$dir"
    exit 1
fi

found=$(arrows "$1")
[ -z "$found" ] && exit 0
echo "$found"
exit 1
