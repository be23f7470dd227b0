#!/bin/sh
# check_includes.sh SOURCE_DIR: who may include whom (README.md, "The arrows"). An #include of our own names its folder
# from the root ("loader/base.h"), so the arrows are read off the two paths. Prints each forbidden #include.
# check_includes.sh --self-test: plants a forbidden one of each kind and expects to find it.
set -u

# includes FILE: what it includes, one a line
includes()
{
    sed -n 's/^[ \t]*#[ \t]*include[ \t]*["<]\([^">]*\)[">].*/\1/p' "$1"
}

# arrows ROOT: one line per forbidden include
arrows()
{
    cd "$1" || exit 1
    public=" $(includes runtime/hekla.h | grep / | tr '\n' ' ') "
    find loader runtime tools shaders -name '*.[ch]' | sort | while read -r file; do
        includes "$file" | while read -r inc; do
            case $inc in
            loader/* | runtime/* | tools/* | shaders/* | tests/*) [ -f "$inc" ] || echo "$file includes $inc: no such file" ;;
            *volk.h | vulkan/*)
                case $file in
                runtime/gpu/*) continue ;;
                *) echo "$file includes $inc: only runtime/gpu/ sees Vulkan" && continue ;;
                esac
                ;;
            *)
                # Of others, or generated; a header of ours under a bare name hides where it lives.
                [ -f "${file%/*}/$inc" ] && echo "$file includes $inc: name its folder: ${file%/*}/$inc"
                continue
                ;;
            esac
            forbidden=
            # What hekla.h includes is installed with it, in one file: it must not bring anything else along.
            case "$public" in
            *" $file "*)
                case "$public" in *" $inc "*) ;; *) forbidden="a public header sees public ones only" ;; esac
                ;;
            esac
            case $file in
            loader/*)
                case $inc in loader/*) ;; *) forbidden="the loader stands alone" ;; esac
                # Inside it: base under all; weights and tokenizer know no file format, a template no model.
                case $file in
                loader/weights/*)
                    case $inc in
                    loader/weights/* | loader/api.h | loader/base.h | loader/file.h | loader/checkpoint.h) ;;
                    loader/*) forbidden="loader/weights/ sees api.h, base.h, file.h and checkpoint.h" ;;
                    esac
                    ;;
                loader/tokenizer/* | loader/jinja/*)
                    case $inc in
                    loader/formats/* | loader/convert/* | loader/archs/*) forbidden="it knows no file format" ;;
                    esac
                    ;;
                loader/formats/* | loader/archs/*)
                    case $inc in loader/convert/*) forbidden="reading knows no writing" ;; esac
                    ;;
                esac
                case $file in
                loader/jinja/*) ;;
                *)
                    case $inc in
                    loader/jinja/chat_template.h) ;;
                    loader/jinja/*) forbidden="chat_template.h is the door of loader/jinja/" ;;
                    esac
                    ;;
                esac
                ;;
            shaders/*) case $inc in shaders/*) ;; *) forbidden="shaders/ stands alone" ;; esac ;;
            tools/*) case $inc in tools/* | runtime/hekla.h) ;; *) forbidden="tools see only hekla.h" ;; esac ;;
            runtime/gpu/*)
                case $inc in
                runtime/gpu/* | loader/api.h | loader/base.h | runtime/os.h | shaders/args.h) ;;
                *) forbidden="runtime/gpu/ sees no tensors, models or loader (api.h and base.h excepted)" ;;
                esac
                ;;
            runtime/arch/*)
                case $inc in
                runtime/arch/* | runtime/model.h | runtime/ops.h) ;;
                *) forbidden="runtime/arch/ sees model.h and ops.h" ;;
                esac
                ;;
            runtime/chat/*)
                case $inc in
                runtime/chat/* | runtime/hekla.h | runtime/os.h | loader/*) ;;
                *) forbidden="runtime/chat/ sees hekla.h, os.h and the loader" ;;
                esac
                ;;
            runtime/*)
                case $inc in
                tools/* | tests/*) forbidden="the runtime knows no ${inc%%/*}" ;;
                runtime/gpu/gpu.h | runtime/gpu/caps.h | runtime/gpu/shader_table.h) ;;
                runtime/gpu/*) forbidden="gpu.h is the door of runtime/gpu/" ;;
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
    cd "$dir" || exit 1
    mkdir -p loader/weights loader/formats loader/convert loader/jinja loader/tokenizer runtime/gpu runtime/arch runtime/chat tools shaders tests
    for header in loader/api.h loader/open.h loader/base.h loader/checkpoint.h loader/formats/gguf.h loader/convert/convert.h loader/jinja/value.h \
        runtime/hekla.h runtime/gpu/gpu.h runtime/gpu/plan.h runtime/model.h runtime/ops.h tests/rig.h; do
        : >"$header"
    done
    plant() { echo "#include $2" >>"$1"; }
    plant loader/a.c '"runtime/hekla.h"'
    plant loader/b.c '"loader/jinja/value.h"'
    plant loader/weights/a.c '"loader/formats/gguf.h"'
    plant loader/tokenizer/a.c '"loader/formats/gguf.h"'
    plant loader/formats/a.c '"loader/convert/convert.h"'
    plant loader/formats/b.c '"gguf.h"'
    plant loader/formats/c.c '"loader/nowhere.h"'
    plant tools/a.c '"loader/base.h"'
    plant runtime/ops.c '<volk.h>'
    plant runtime/tune.c '"runtime/gpu/plan.h"'
    plant runtime/a.c '"tests/rig.h"'
    plant runtime/gpu/device.c '"loader/checkpoint.h"'
    plant runtime/arch/llama.c '"runtime/gpu/gpu.h"'
    plant shaders/args.h '"loader/base.h"'
    plant runtime/chat/chat.c '"runtime/model.h"'
    plant runtime/hekla.h '"loader/open.h"' # allowed
    plant loader/open.h '"loader/checkpoint.h"'
    plant runtime/gpu/memory.c '"loader/base.h"' # allowed, and so are these
    plant runtime/gpu/memory.c '<volk.h>'
    plant tools/b.c '"runtime/hekla.h"'
    found=$(arrows "$dir" | wc -l)
    [ "$found" -eq 16 ] && exit 0
    echo "sixteen forbidden includes planted, $found found:"
    arrows "$dir"
    exit 1
fi

found=$(arrows "$1")
[ -z "$found" ] && exit 0
echo "$found"
exit 1
