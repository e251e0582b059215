# The model: plans and numerics against independent references.
add_module_tests(gpt2_model
  SOURCES
    config_test.cpp
    dropout_test.cpp
    gelu_test.cpp
    gradient_tree_test.cpp
    initial_weights_test.cpp
    learning_rate_test.cpp
    loss_test.cpp
    numerics_test.cpp
    optimizer_test.cpp
    sampler_test.cpp
    schedule_test.cpp
    stage_parity_test.cpp
    stage_plan_test.cpp
    stage_test.cpp
  DEPENDS troupe_gpt2
  PRECOMPILED "${PROJECT_SOURCE_DIR}/gpt2/layers/torch.hpp"
  TIMEOUT 120)
