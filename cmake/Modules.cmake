# project_options: warnings, floating-point rules and sanitizers, linked PRIVATE by every target of ours.
add_library(project_options INTERFACE)
target_include_directories(project_options INTERFACE "${PROJECT_SOURCE_DIR}")
# No fused multiply-add behind our back: the same source must give the same bits in every target. Nobody reads the
# floating-point exception flags or errno after a sqrt; with them g++ leaves loops with a choice or a root unvectorized.
# Neither changes a result.
target_compile_options(project_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
  -ffp-contract=off -fno-trapping-math -fno-math-errno)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # False alarms of g++ 12 inside std::string (GCC PR105651, PR105562, PR105329); mended in 13. Headers that were
  # precompiled do not count as the system's any more, so there are more of them.
  target_compile_options(project_options INTERFACE
    -Wno-restrict -Wno-maybe-uninitialized -Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread)
endif()
if(WERROR)
  target_compile_options(project_options INTERFACE -Werror)
endif()
if(SANITIZE)
  target_compile_options(project_options INTERFACE -fsanitize=${SANITIZE} -fno-omit-frame-pointer)
  target_link_options(project_options INTERFACE -fsanitize=${SANITIZE})
endif()

# add_module(NAME SOURCES a.cpp ... DEPENDS targets ... [PRECOMPILED headers ... | PRECOMPILED_OF target] [COLD]): one
# static library a folder, sources listed by name. Precompiled are headers of others that take long to read; each file
# still includes what it uses.
# COLD is code that runs a few times a second at most: less optimised, it compiles in less time.
function(add_module name)
  cmake_parse_arguments(ARG "COLD" "PRECOMPILED_OF" "SOURCES;DEPENDS;PRECOMPILED" ${ARGN})
  add_library(troupe_${name} STATIC ${ARG_SOURCES})
  target_link_libraries(troupe_${name} PRIVATE $<BUILD_INTERFACE:project_options> PUBLIC ${ARG_DEPENDS})
  target_include_directories(troupe_${name} PUBLIC "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>")
  if(ARG_COLD)
    target_compile_options(troupe_${name} PRIVATE $<$<CONFIG:Release>:-O1>)
  endif()
  if(SANITIZE AND NOT ARG_PRECOMPILED AND NOT ARG_PRECOMPILED_OF)
    # Faster; the release build has none of these, so that each header there shows that it compiles alone.
    set(ARG_PRECOMPILED <algorithm> <chrono> <filesystem> <fstream> <functional> <map> <memory> <mutex> <optional>
      <set> <sstream> <string> <thread> <unordered_map> <vector>)
    if(nlohmann_json::nlohmann_json IN_LIST ARG_DEPENDS)
      list(APPEND ARG_PRECOMPILED <nlohmann/json.hpp>)
    endif()
  endif()
  if(ARG_PRECOMPILED_OF)
    target_precompile_headers(troupe_${name} REUSE_FROM ${ARG_PRECOMPILED_OF})
  elseif(ARG_PRECOMPILED)
    target_precompile_headers(troupe_${name} PRIVATE ${ARG_PRECOMPILED})
  endif()
endfunction()

# add_module_tests(NAME SOURCES x_test.cpp ... DEPENDS targets ... [PRECOMPILED headers ... | PRECOMPILED_OF target]): one
# executable NAME_tests; every file is a ctest of its own, NAME.x, which runs the suite named after the file
# (span_archive_test.cpp -> SpanArchive).
function(add_module_tests name)
  cmake_parse_arguments(ARG "" "TIMEOUT;PRECOMPILED_OF" "SOURCES;DEPENDS;PRECOMPILED" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 60)
  endif()
  add_executable(${name}_tests ${ARG_SOURCES})
  target_link_libraries(${name}_tests PRIVATE project_options ${ARG_DEPENDS} GTest::gtest GTest::gtest_main)
  # What is tested is optimised, in its library; optimising the tests takes as long as all libraries together. For the
  # same reason the tests' own code goes without UndefinedBehaviorSanitizer.
  target_compile_options(${name}_tests PRIVATE -O0)
  if("${SANITIZE}" MATCHES "undefined")
    target_compile_options(${name}_tests PRIVATE -fno-sanitize=undefined)
  endif()
  if(ARG_PRECOMPILED_OF)
    target_precompile_headers(${name}_tests REUSE_FROM ${ARG_PRECOMPILED_OF})
  else()
    target_precompile_headers(${name}_tests PRIVATE <gtest/gtest.h> ${ARG_PRECOMPILED})
  endif()
  foreach(source IN LISTS ARG_SOURCES)
    get_filename_component(stem "${source}" NAME_WE)
    string(REGEX REPLACE "_test$" "" stem "${stem}")
    string(REPLACE "_" ";" words "${stem}")
    set(suite "")
    foreach(word IN LISTS words)
      string(SUBSTRING "${word}" 0 1 head)
      string(SUBSTRING "${word}" 1 -1 tail)
      string(TOUPPER "${head}" head)
      string(APPEND suite "${head}${tail}")
    endforeach()
    add_test(NAME ${name}.${stem} COMMAND ${name}_tests "--gtest_filter=${suite}.*:*/${suite}.*")
    # A file whose suite has another name would run nothing and pass: that is a failure here. So is a failed test beside
    # a skipped one, which ctest would show as skipped.
    set_tests_properties(${name}.${stem} PROPERTIES TIMEOUT ${ARG_TIMEOUT} WORKING_DIRECTORY "${CMAKE_BINARY_DIR}"
      FAIL_REGULAR_EXPRESSION "Running 0 tests;\\[  FAILED  \\]" SKIP_REGULAR_EXPRESSION "\\[  SKIPPED \\] 1 test, listed below")
  endforeach()
endfunction()
