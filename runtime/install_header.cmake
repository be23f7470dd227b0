# install_header.cmake: one header out of runtime/hekla.h and the public headers that it includes.
#   cmake -DSOURCE=<root> -DOUT=<file> -P install_header.cmake
# Each "#include" of ours becomes that file's contents, once; the guards of the parts and the C library's headers, which
# hekla.h includes itself, are left out.
cmake_minimum_required(VERSION 3.25)

set_property(GLOBAL PROPERTY seen "")

function(part out path)
    file(READ ${SOURCE}/${path} text)
    get_property(seen GLOBAL PROPERTY seen)
    set_property(GLOBAL APPEND PROPERTY seen ${path})
    # A list of lines would lose semicolons and brackets: each #include is cut out by itself.
    if(NOT path STREQUAL runtime/hekla.h)
        string(REGEX REPLACE "#ifndef HEKLA_[A-Z0-9_]+_H\n#define HEKLA_[A-Z0-9_]+_H\n" "" text "${text}")
        string(REGEX REPLACE "#include <[^\n]*\n" "" text "${text}")
        string(REGEX REPLACE "\n#endif\n$" "\n" text "${text}")
    endif()
    while(text MATCHES "#include \"([^\"\n]+)\"\n")
        set(line "${CMAKE_MATCH_0}")
        set(inner "")
        get_property(seen GLOBAL PROPERTY seen)
        if(NOT CMAKE_MATCH_1 IN_LIST seen)
            part(inner ${CMAKE_MATCH_1})
        endif()
        string(REPLACE "${line}" "${inner}" text "${text}")
    endwhile()
    set(${out} "${text}" PARENT_SCOPE)
endfunction()

part(header runtime/hekla.h)
string(REGEX REPLACE "\n\n\n+" "\n\n" header "${header}")
file(WRITE ${OUT} "${header}")
