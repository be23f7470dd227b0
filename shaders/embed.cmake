# cmake -P: compiles one kernel, checks it, and writes its words as a C initializer. Silent unless it fails.
# In: NAME SOURCE TARGET DEFINES INCLUDES OUT GLSLANG SPIRV_VAL SPIRV_OPT (empty: do not optimise)

cmake_policy(VERSION 3.25) # CMake keeps empty elements since
list(FILTER DEFINES EXCLUDE REGEX "^$")
list(FILTER INCLUDES EXCLUDE REGEX "^$")
list(TRANSFORM INCLUDES PREPEND -I)
set(spv ${OUT}.spv)

function(run)
    execute_process(COMMAND ${ARGN} RESULT_VARIABLE rc OUTPUT_VARIABLE said ERROR_VARIABLE said)
    if(NOT rc EQUAL 0)
        string(STRIP "${said}" said)
        message(FATAL_ERROR "shader ${NAME}:\n${said}\n")
    endif()
endfunction()

run(${GLSLANG} -V --target-env ${TARGET} -S comp -g0 ${DEFINES} ${INCLUDES} --depfile ${OUT}.spv.d -o ${spv} ${SOURCE})
# The names of a push constant's members help nobody at run time; -g0 left them out.
if(SPIRV_OPT)
    run(${SPIRV_OPT} --target-env=${TARGET} -O ${spv} -o ${spv})
endif()
run(${SPIRV_VAL} --target-env ${TARGET} ${spv})

# glslang names the .spv as what depends on the sources; the build system knows the .inc.
file(READ ${OUT}.spv.d deps)
string(REGEX REPLACE "^[^:]*:" "${OUT}:" deps "${deps}")
file(WRITE ${OUT}.d "${deps}")

file(READ ${spv} hex HEX)
string(REGEX REPLACE "(..)(..)(..)(..)" "0x\\4\\3\\2\\1," words "${hex}")
string(REGEX REPLACE "((0x........,)(0x........,)(0x........,)(0x........,)(0x........,)(0x........,)(0x........,)(0x........,))"
    "\\1\n" words "${words}")
file(WRITE ${OUT} "${words}\n")
