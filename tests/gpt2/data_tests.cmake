# Data and files, without LibTorch.
add_module_tests(gpt2_data
  SOURCES
    data/bpe_merges_test.cpp
    data/tokenizer_test.cpp
    data/token_file_test.cpp
    data/dataset_test.cpp
    data/data_order_test.cpp
    data/partition_test.cpp
    store/json_depth_test.cpp
    store/safetensors_test.cpp
    store/checkpoint_test.cpp
  DEPENDS troupe_gpt2_data
  PRECOMPILED <nlohmann/json.hpp>)
