# The library for other programs: libhekla.so, libhekla.a, hekla.h in one file, hekla.pc; and what is installed.

set(HEKLA_BOX_INSTALLED ${CMAKE_INSTALL_DATADIR}/hekla)

# ---- the header ----
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS runtime/hekla.h)
file(STRINGS runtime/hekla.h headers REGEX "^#include \"")
list(TRANSFORM headers REPLACE "^#include \"(.*)\"$" "${PROJECT_SOURCE_DIR}/\\1")
set(header ${CMAKE_BINARY_DIR}/include/hekla.h)
add_custom_command(OUTPUT ${header}
    COMMAND ${CMAKE_COMMAND} -DSOURCE=${PROJECT_SOURCE_DIR} -DOUT=${header}
        -P ${PROJECT_SOURCE_DIR}/runtime/install_header.cmake
    DEPENDS ${PROJECT_SOURCE_DIR}/runtime/hekla.h ${headers} ${PROJECT_SOURCE_DIR}/runtime/install_header.cmake
    VERBATIM)
add_custom_target(hekla_header ALL DEPENDS ${header})
install(FILES ${header} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

# ---- both libraries, of the same objects ----
set(objects $<TARGET_OBJECTS:hekla_loader> $<TARGET_OBJECTS:hekla_runtime> $<TARGET_OBJECTS:hekla_volk>)
add_library(hekla_shared SHARED ${objects})
# Until 1.0 a minor version may change the interface.
set_target_properties(hekla_shared PROPERTIES OUTPUT_NAME hekla LINKER_LANGUAGE C VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
target_link_libraries(hekla_shared PRIVATE hekla_cjson hekla_pcre2 hekla_utf8proc m ${CMAKE_DL_LIBS} Threads::Threads)
target_link_options(hekla_shared PRIVATE -Wl,--no-undefined)
install(TARGETS hekla_shared LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})

# One object, in which what is not the interface's is local: a program may have its own `matmul`.
set(archive ${CMAKE_BINARY_DIR}/libhekla.a)
if(CMAKE_OBJCOPY)
    set(make_archive
        COMMAND ${CMAKE_C_COMPILER} -r -nostdlib -o hekla.o ${objects}
        COMMAND ${CMAKE_OBJCOPY} --localize-hidden hekla.o
        COMMAND ${CMAKE_AR} rcs ${archive} hekla.o)
else()
    message(STATUS "no objcopy (binutils): libhekla.a shows names that are not the interface's")
    set(make_archive COMMAND ${CMAKE_AR} rcs ${archive} ${objects})
endif()
add_custom_command(OUTPUT ${archive} COMMAND ${CMAKE_COMMAND} -E rm -f ${archive} ${make_archive}
    DEPENDS ${objects} BYPRODUCTS hekla.o WORKING_DIRECTORY ${CMAKE_BINARY_DIR} COMMAND_EXPAND_LISTS VERBATIM)
add_custom_target(hekla_archive ALL DEPENDS ${archive})
install(FILES ${archive} DESTINATION ${CMAKE_INSTALL_LIBDIR})

# ---- pkg-config ----
# Relative to where hekla.pc lies, so that what was installed may be moved; absolute where the folders are.
function(hekla_pc_folder out folder)
    if(NOT IS_ABSOLUTE ${folder})
        set(folder "\${prefix}/${folder}")
    endif()
    set(${out} ${folder} PARENT_SCOPE)
endfunction()
set(HEKLA_PC_PREFIX ${CMAKE_INSTALL_PREFIX})
if(NOT IS_ABSOLUTE ${CMAKE_INSTALL_LIBDIR})
    file(RELATIVE_PATH up /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
    string(REGEX REPLACE "/$" "" up ${up})
    set(HEKLA_PC_PREFIX "\${pcfiledir}/${up}")
endif()
hekla_pc_folder(HEKLA_PC_LIBDIR ${CMAKE_INSTALL_LIBDIR})
hekla_pc_folder(HEKLA_PC_INCLUDEDIR ${CMAKE_INSTALL_INCLUDEDIR})
hekla_pc_folder(HEKLA_PC_BOXDIR ${HEKLA_BOX_INSTALLED})
set(HEKLA_PC_LIBS -lm ${CMAKE_THREAD_LIBS_INIT} -pthread)
foreach(library IN LISTS CMAKE_DL_LIBS)
    list(APPEND HEKLA_PC_LIBS -l${library})
endforeach()
list(JOIN HEKLA_PC_LIBS " " HEKLA_PC_LIBS)
configure_file(runtime/hekla.pc.in ${CMAKE_BINARY_DIR}/hekla.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/hekla.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# ---- beside it ----
file(GLOB box CONFIGURE_DEPENDS ${HEKLA_BOX}/*.gguf)
install(FILES ${box} DESTINATION ${HEKLA_BOX_INSTALLED})
install(FILES README.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
