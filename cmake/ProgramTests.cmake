# add_program_tests(FOLDER SOURCES x_test.py ... TIMEOUT seconds): each file is a ctest of its own, FOLDER.x, which runs
# the built program as a user would (tests/support/program.py). These take longest, so they begin first. The label is the
# first word of FOLDER: `ctest -L faults`.
function(add_program_tests folder)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES" ${ARGN})
  set(slowness 1)
  if(SANITIZE)
    set(slowness 4)
  endif()
  string(REGEX REPLACE "\\..*" "" label "${folder}")
  find_package(Python3 REQUIRED COMPONENTS Interpreter)
  foreach(source IN LISTS ARG_SOURCES)
    string(REGEX REPLACE "_test\\.py$" "" stem "${source}")
    add_test(NAME ${folder}.${stem} COMMAND Python3::Interpreter -B "${CMAKE_CURRENT_SOURCE_DIR}/${source}")
    set_tests_properties(${folder}.${stem} PROPERTIES TIMEOUT ${ARG_TIMEOUT} COST 100 LABELS ${label} FAIL_REGULAR_EXPRESSION "Ran 0 tests"
      ENVIRONMENT "TROUPE_PROGRAM=$<TARGET_FILE:troupe>;PYTHONPATH=${PROJECT_SOURCE_DIR}/tests/support:${PROJECT_SOURCE_DIR}/tests/support/faults;TROUPE_SLOWNESS=${slowness}")
  endforeach()
endfunction()
