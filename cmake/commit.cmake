# Which build this is, for `holdfast version` and /version. Only these files are compiled again when it changes.
set(HOLDFAST_OPTIONS "${CMAKE_BUILD_TYPE}" CACHE STRING "What this build calls itself; a preset gives its name")

set(commit unknown)
find_package(Git QUIET)
if(GIT_FOUND AND EXISTS ${CMAKE_SOURCE_DIR}/.git)
  execute_process(
    COMMAND ${GIT_EXECUTABLE} -C ${CMAKE_SOURCE_DIR} rev-parse --short=12 HEAD
    OUTPUT_VARIABLE found OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
  if(NOT failed)
    set(commit ${found})
  endif()
  # It grows with every commit and checkout: the next build then asks again.
  execute_process(
    COMMAND ${GIT_EXECUTABLE} -C ${CMAKE_SOURCE_DIR} rev-parse --path-format=absolute --git-path logs/HEAD
    OUTPUT_VARIABLE log OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(log AND EXISTS ${log})
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${log})
  endif()
endif()

set_property(
  SOURCE gateway/app/sources.c gateway/cli/version.c
  APPEND PROPERTY COMPILE_DEFINITIONS HOLDFAST_COMMIT="${commit}" HOLDFAST_OPTIONS="${HOLDFAST_OPTIONS}")
