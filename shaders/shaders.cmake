# Reads kernels.txt and makes, for every kernel in it, a command that compiles, checks and embeds it.
# Sets HEKLA_SHADER_SOURCES: the C file that holds the table of runtime/gpu/shader_table.h.
# What the lines of kernels.txt mean: README.md, "How a kernel gets built".

set(shader_dir ${CMAKE_CURRENT_LIST_DIR})
set(shader_out ${CMAKE_BINARY_DIR}/shaders)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${shader_dir}/kernels.txt)
file(MAKE_DIRECTORY ${shader_out})

# Can this glslang build shaders/probes/<name>.comp? The answer is kept until the compiler or the probe changes.
function(hekla_probe name target out)
    set(probe ${shader_dir}/probes/${name}.comp)
    if(NOT EXISTS ${probe})
        message(FATAL_ERROR "shaders/kernels.txt: requires=${name}: there is no shaders/probes/${name}.comp")
    endif()
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${probe})
    file(SHA256 ${probe} hash)
    set(key "${hash} ${target} ${GLSLANG} ${glslang_banner}")
    if(NOT HEKLA_PROBE_${name}_KEY STREQUAL key)
        execute_process(COMMAND ${GLSLANG} -V --target-env ${target} -o ${shader_out}/probe.spv ${probe}
            RESULT_VARIABLE rc OUTPUT_VARIABLE said ERROR_VARIABLE said)
        if(rc EQUAL 0) # the validator must know what the compiler wrote, too
            execute_process(COMMAND ${SPIRV_VAL} --target-env ${target} ${shader_out}/probe.spv
                RESULT_VARIABLE rc OUTPUT_VARIABLE said ERROR_VARIABLE said)
        endif()
        string(REGEX MATCH "(ERROR|error): [^\n]*" said "${said}")
        string(REPLACE "${shader_dir}/" "" said "${said}")
        if(rc EQUAL 0)
            set(said "")
        elseif(NOT said)
            set(said "the compiler failed")
        endif()
        set(HEKLA_PROBE_${name}_KEY "${key}" CACHE INTERNAL "")
        set(HEKLA_PROBE_${name} "${said}" CACHE INTERNAL "")
    endif()
    set(${out} "${HEKLA_PROBE_${name}}" PARENT_SCOPE)
endfunction()

# One variant: name.inc out of source with these defines and include folders.
function(hekla_shader name source target defines includes)
    set(inc ${shader_out}/${name}.inc)
    add_custom_command(OUTPUT ${inc}
        COMMAND ${CMAKE_COMMAND} -DNAME=${name} -DSOURCE=${shader_dir}/${source} -DTARGET=${target}
            "-DDEFINES=${defines}" "-DINCLUDES=${includes};${shader_dir}" -DOUT=${inc}
            -DGLSLANG=${GLSLANG} -DSPIRV_VAL=${SPIRV_VAL} "-DSPIRV_OPT=${SPIRV_OPT_PROGRAM}"
            -P ${shader_dir}/embed.cmake
        DEPENDS ${shader_dir}/${source} ${shader_dir}/embed.cmake ${GLSLANG}
        DEPFILE ${inc}.d
        COMMENT "shader ${name}"
        VERBATIM)
endfunction()

execute_process(COMMAND ${GLSLANG} --version OUTPUT_VARIABLE glslang_banner ERROR_QUIET)
string(REGEX REPLACE "[\n\r; ]+" " " glslang_banner "${glslang_banner}")

set(names "")
if(EXISTS ${shader_dir}/kernels.txt)
    file(STRINGS ${shader_dir}/kernels.txt lines)
endif()
foreach(line IN LISTS lines)
    string(REGEX REPLACE "#.*" "" line "${line}")
    string(REGEX MATCHALL "[^ \t]+" words "${line}")
    if(NOT words)
        continue()
    endif()
    list(POP_FRONT words first)

    # "weight_types: f32 f16": the values of per=weight
    if(first MATCHES "^([a-z0-9_]+)_types:$")
        set(list_${CMAKE_MATCH_1} ${words})
        continue()
    endif()

    list(POP_FRONT words source)
    if(NOT first MATCHES "^[a-z][a-z0-9_]*$" OR NOT EXISTS ${shader_dir}/${source})
        message(FATAL_ERROR "shaders/kernels.txt: '${line}': a kernel's name and a source file in shaders/ expected")
    endif()
    set(target vulkan1.1)
    set(defines "")
    set(pers "")
    set(requires "")
    foreach(word IN LISTS words)
        if(word MATCHES "^per=(.+)$")
            if(NOT DEFINED list_${CMAKE_MATCH_1})
                message(FATAL_ERROR "shaders/kernels.txt: '${line}': no line '${CMAKE_MATCH_1}_types:' above it")
            endif()
            list(APPEND pers ${CMAKE_MATCH_1})
        elseif(word MATCHES "^requires=(.+)$")
            list(APPEND requires ${CMAKE_MATCH_1})
        elseif(word MATCHES "^target=(.+)$")
            set(target ${CMAKE_MATCH_1})
        elseif(word MATCHES "^[A-Z][A-Z0-9_]*(=.*)?$")
            list(APPEND defines -D${word})
        else()
            message(FATAL_ERROR "shaders/kernels.txt: '${line}': '${word}' is none of per=, requires=, target=, DEFINE[=VALUE]")
        endif()
    endforeach()

    set(why "")
    foreach(name IN LISTS requires)
        hekla_probe(${name} ${target} said)
        if(said AND NOT why)
            set(why "${name}: ${said}")
        endif()
    endforeach()
    if(why)
        message(STATUS "left out: ${first}: this glslang cannot build it (${why})")
        continue()
    endif()

    # Every combination of the lists: "name|defines|include folders", separated by commas inside.
    set(variants "${first}||")
    foreach(per IN LISTS pers)
        set(next "")
        foreach(variant IN LISTS variants)
            string(REPLACE "|" ";" parts "${variant}")
            list(GET parts 0 v_name)
            list(GET parts 1 v_defines)
            list(GET parts 2 v_includes)
            foreach(type IN LISTS list_${per})
                string(TOUPPER "${per}_${type}" define)
                set(dir "")
                if(IS_DIRECTORY ${shader_dir}/${per})
                    # "#include "weight.glsl"" finds weight/<type>.glsl: glslang takes no macro as a file name.
                    set(dir ${shader_out}/${per}_${type})
                    file(CONFIGURE OUTPUT ${dir}/${per}.glsl CONTENT "#include \"${per}/${type}.glsl\"\n")
                endif()
                list(APPEND next "${v_name}_${type}|${v_defines},-D${define}|${v_includes},${dir}")
            endforeach()
        endforeach()
        set(variants ${next})
    endforeach()
    foreach(variant IN LISTS variants)
        string(REPLACE "|" ";" parts "${variant}")
        list(GET parts 0 name)
        list(GET parts 1 v_defines)
        list(GET parts 2 v_includes)
        string(REGEX MATCHALL "[^,]+" v_defines "${v_defines}")
        string(REGEX MATCHALL "[^,]+" v_includes "${v_includes}")
        if(name IN_LIST names)
            message(FATAL_ERROR "shaders/kernels.txt: two kernels are called ${name}")
        endif()
        hekla_shader(${name} ${source} ${target} "${defines};${v_defines}" "${v_includes}")
        list(APPEND names ${name})
    endforeach()
endforeach()

list(SORT names COMPARE STRING)
list(LENGTH names count)
message(STATUS "${count} shaders")

set(table "/* Generated from shaders/kernels.txt. */\n#include \"runtime/gpu/shader_table.h\"\n\n")
set(rows "")
set(incs "")
foreach(name IN LISTS names)
    string(APPEND table "static const uint32_t ${name}[] = {\n#include \"${name}.inc\"\n};\n")
    string(APPEND rows "    {\"${name}\", ${name}, (uint32_t)(sizeof ${name} / sizeof ${name}[0])},\n")
    list(APPEND incs ${shader_out}/${name}.inc)
endforeach()
string(APPEND table "\n/* Sorted by name, as hk_shader_find needs it; the last row ends an otherwise empty table. */\n"
    "const struct hk_shader hk_shaders[] = {\n${rows}    {\"\", (const uint32_t *)0, 0},\n};\n"
    "const uint32_t hk_n_shaders = ${count};\n")
file(CONFIGURE OUTPUT ${shader_out}/shader_table_data.c CONTENT "${table}" @ONLY)
set_source_files_properties(${shader_out}/shader_table_data.c PROPERTIES
    OBJECT_DEPENDS "${incs}" INCLUDE_DIRECTORIES "${shader_out};${PROJECT_SOURCE_DIR}")
set(HEKLA_SHADER_SOURCES ${shader_out}/shader_table_data.c)
