# What glibc 2.34 moved into libc.so.6 the library takes from where it was before: it then loads on both, since later
# glibc keep the old versions of the symbols, and the two libraries as empty ones. A weak reference without the
# libraries would not do: on an older glibc a program that does not load libdl has no dlsym. Built here are stand-ins, to
# be linked to and never run with: the linker takes from them the names of libraries and the versions of symbols. So these
# are as they have to be, whatever an including project asks of libraries: a postfix, hidden symbols, warnings, a path.
include(CheckSymbolExists)
check_symbol_exists(__aarch64__ stddef.h TSLAB_AARCH64)

# Links `library` to lib`name`.so.`number` with the symbols of a version script.
function(tslab_link_old_glibc library name number script)
  set(folder ${CMAKE_CURRENT_BINARY_DIR}/old_glibc)
  string(REGEX REPLACE "[^ ]* {([^}]*)};" "\\1" code "${script}")
  string(REGEX REPLACE " *([a-z_0-9]+);" "void \\1(void) {}\n" code "${code}")
  file(CONFIGURE OUTPUT ${folder}/${name}.c CONTENT "${code}")
  file(CONFIGURE OUTPUT ${folder}/${name}.map CONTENT "${script}\n")
  add_library(tslab_old_${name} SHARED ${folder}/${name}.c)
  target_compile_options(tslab_old_${name} PRIVATE -w)
  target_link_options(tslab_old_${name} PRIVATE -nostdlib LINKER:--version-script=${folder}/${name}.map
                      LINKER:-soname,lib${name}.so.${number})
  set_target_properties(tslab_old_${name} PROPERTIES OUTPUT_NAME ${name} NO_SONAME ON C_VISIBILITY_PRESET default
                        LIBRARY_OUTPUT_DIRECTORY ${folder} LINK_DEPENDS ${folder}/${name}.map)
  target_link_libraries(${library} PRIVATE $<TARGET_FILE:tslab_old_${name}>)
  add_dependencies(${library} tslab_old_${name})
endfunction()

if(TSLAB_AARCH64)
  tslab_link_old_glibc(temporal_slab dl 2 "GLIBC_2.17 { dladdr; dladdr1; dlsym; };")
  tslab_link_old_glibc(temporal_slab pthread 0
                       "GLIBC_2.17 { pthread_key_create; pthread_key_delete; pthread_setspecific; };")
else()
  tslab_link_old_glibc(temporal_slab dl 2 "GLIBC_2.2.5 { dladdr; dlsym; }; GLIBC_2.3.3 { dladdr1; };")
  tslab_link_old_glibc(temporal_slab pthread 0
                       "GLIBC_2.2.5 { pthread_key_create; pthread_key_delete; pthread_setspecific; };")
endif()
