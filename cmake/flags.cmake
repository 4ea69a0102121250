# Compiler and linker flags: warnings for all, the rest by option. Included before any target.
option(HOLDFAST_HARDEN "Checks against memory errors that cost next to nothing" OFF)
option(HOLDFAST_LTO "Optimize across files (gcc)" OFF)
option(HOLDFAST_COVERAGE "Count covered lines" OFF)
set(HOLDFAST_SANITIZE "" CACHE STRING "Sanitizers, as for -fsanitize=")

add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes
                    -Wvla -Werror -fno-omit-frame-pointer)
# Without H2O_USE_LIBUV=0 the headers of h2o describe another library than the one that is linked.
add_compile_definitions(_GNU_SOURCE H2O_USE_LIBUV=0 HOLDFAST_VERSION="${PROJECT_VERSION}")

include(CheckPIESupported)
check_pie_supported(LANGUAGES C)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

if(HOLDFAST_HARDEN)
  add_compile_options(-fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
  add_link_options(-Wl,-z,relro,-z,now,-z,noexecstack)
endif()

# Fat objects: only the program is linked with -flto; tests link the plain half, which is quick.
if(HOLDFAST_LTO AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
  add_compile_options(-flto=auto -ffat-lto-objects)
  add_link_options($<IF:$<STREQUAL:$<TARGET_PROPERTY:NAME>,holdfast>,-flto=auto,-fno-lto>)
endif()

if(HOLDFAST_SANITIZE)
  add_compile_options(-fsanitize=${HOLDFAST_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${HOLDFAST_SANITIZE})
  # Every block of an image from malloc, where the sanitizers see it.
  add_compile_definitions(HOLDFAST_MEMORY_PLAIN)
endif()

if(HOLDFAST_COVERAGE)
  add_compile_options(--coverage -O0)
  add_link_options(--coverage)
endif()
