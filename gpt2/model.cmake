# The model: gpt2_plan (sizes, parameter tables, schedules: no LibTorch) and gpt2 (the numerics, by LibTorch).
add_module(gpt2_plan
  SOURCES
    config.cpp
    initial_weights.cpp
    learning_rate.cpp
    schedule.cpp
    stage_plan.cpp)

add_module(gpt2
  SOURCES
    gradient_tree.cpp
    layers/attention.cpp
    layers/block.cpp
    layers/dropout.cpp
    layers/ends.cpp
    layers/gelu.cpp
    layers/loss.cpp
    numerics.cpp
    optimizer.cpp
    sampler.cpp
    stage.cpp
    tied.cpp
  DEPENDS troupe_gpt2_plan troupe::torch
  PRECOMPILED layers/torch.hpp)
# Most of what a training does: end-to-end tests wait for it.
target_compile_options(troupe_gpt2 PRIVATE $<$<CONFIG:Debug>:-O1>)
