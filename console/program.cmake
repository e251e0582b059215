# The one program: build/<preset>/troupe.
add_executable(troupe
  troupe_main.cpp
  train_main.cpp
  job/job_family_main.cpp
  job_runner_main.cpp
  job/job_end_main.cpp
  resume_main.cpp
  run_setup.cpp
  worker_main.cpp
  node_main.cpp
  inspect_main.cpp
  simulate_main.cpp
  model_main.cpp
  data_main.cpp)
target_link_libraries(troupe PRIVATE project_options troupe_console troupe_scheduler troupe_actors troupe_simulation)
set_target_properties(troupe PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}")
# The one source that computes.
target_precompile_headers(troupe REUSE_FROM troupe_gpt2)
get_target_property(sources troupe SOURCES)
list(REMOVE_ITEM sources model_main.cpp)
set_source_files_properties(${sources} PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
