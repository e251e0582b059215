# Text, tokens, order, files: no LibTorch.
add_module(gpt2_data
  SOURCES
    data/byte_tokenizer.cpp
    data/bpe_merges.cpp
    data/bpe_tokenizer.cpp
    data/token_file.cpp
    data/dataset.cpp
    data/data_order.cpp
    data/partition.cpp
    data/partition_report.cpp
    store/storage.cpp
    store/json_depth.cpp
    store/safetensors.cpp
    store/checkpoint_manifest.cpp
    store/checkpoint.cpp
  DEPENDS PkgConfig::Pcre2 PkgConfig::XxHash nlohmann_json::nlohmann_json)
