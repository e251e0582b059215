# cmake --install BUILD --prefix DIR: the runtime as a library, without LibTorch. Who uses it writes
#
#     find_package(troupe CONFIG REQUIRED)
#     target_link_libraries(app PRIVATE troupe::runtime)
#
# The program is not installed: it runs from its build folder, with the LibTorch beside it.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_folder "${CMAKE_INSTALL_LIBDIR}/cmake/troupe")
set_target_properties(troupe_runtime PROPERTIES EXPORT_NAME runtime)
target_compile_features(troupe_runtime INTERFACE cxx_std_20)
target_include_directories(troupe_runtime INTERFACE "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/troupe>")
install(TARGETS troupe_runtime EXPORT troupe ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
# Not the inside of a node, and of ZeroMQ only the headers without its types. docs/Doxyfile leaves out the same ones.
install(DIRECTORY runtime DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/troupe" FILES_MATCHING PATTERN "*.hpp"
  REGEX "/(actor_cell|node_core|mailbox|worker_pool|pending_requests|watch_registry|job_protocol)\\.hpp$" EXCLUDE
  REGEX "/(crc32c|nearest_word|thread_name|out_streams|stream_protocol|activity|shm_arena)\\.hpp$" EXCLUDE
  REGEX "/zmq_[^/]*\\.hpp$" EXCLUDE
  REGEX "/simulation$" EXCLUDE)
install(FILES runtime/transport/zmq_link_key.hpp runtime/transport/zmq_transport.hpp
  DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/troupe/runtime/transport")
install(EXPORT troupe NAMESPACE troupe:: FILE troupeTargets.cmake DESTINATION "${package_folder}")
configure_package_config_file(cmake/troupeConfig.cmake.in "${CMAKE_BINARY_DIR}/troupeConfig.cmake"
  INSTALL_DESTINATION "${package_folder}")
write_basic_package_version_file("${CMAKE_BINARY_DIR}/troupeConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_BINARY_DIR}/troupeConfig.cmake" "${CMAKE_BINARY_DIR}/troupeConfigVersion.cmake"
  DESTINATION "${package_folder}")
