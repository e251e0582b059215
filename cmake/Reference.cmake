# The target `reference` where there is a doxygen: docs/reference.md.
find_program(DOXYGEN doxygen)
mark_as_advanced(DOXYGEN)
if(DOXYGEN)
  add_custom_target(reference COMMAND "${DOXYGEN}" docs/Doxyfile WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}"
    COMMENT "build/reference/html/index.html" VERBATIM)
endif()
