#include "actors/config/job_config.hpp"

#include "actors/config/job_config_keys.hpp"

#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace troupe::actors {
namespace {

constexpr const char* kSmall = R"(
[data]
path = "data/text.txt"
[train]
steps = 10
)";

JobConfig parse(std::string_view toml, const std::vector<std::string>& overrides = {}) {
  return parse_job_config(toml, overrides, "job.toml");
}

/// The message of the ConfigError, or "accepted".
std::string refusal(std::string_view toml, const std::vector<std::string>& overrides = {}) {
  try {
    (void)parse(toml, overrides);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(JobConfig, DefaultsFillWhatTheFileLeavesOut) {
  const JobConfig job = parse(kSmall);
  EXPECT_EQ(job.data.path, "data/text.txt");
  EXPECT_EQ(job.train.steps, 10U);
  EXPECT_EQ(job.train.epochs, 0U);
  EXPECT_EQ(job.model.vocabulary, 256);
  EXPECT_EQ(job.layout.devices, std::vector<std::string>{"cpu"});
  EXPECT_EQ(job.micro_batches(), 4U);
  EXPECT_EQ(job.micro_batches_per_replica(), 4U);
}

TEST(JobConfig, VocabularyFollowsTheTokenizer) {
  EXPECT_EQ(parse(kSmall, {"data.tokenizer=gpt2"}).model.vocabulary, 50257);
}

TEST(JobConfig, JC1_RenderThenParseGivesTheSameJob) {
  const JobConfig job = parse(kSmall, {"model.layers=6",
                                       "model.dropout=0.1",
                                       "model.positions=sinusoidal",
                                       "model.tied=false",
                                       "data.path=a \"quoted\" \\ name\t.txt",
                                       "data.format=lines",
                                       "data.seed=9007199254740993",
                                       "train.steps=0",
                                       "train.epochs=3",
                                       "train.lr=0.1",
                                       "train.min_lr=1e-7",
                                       "train.schedule=linear",
                                       "train.global_batch=24",
                                       "train.micro_batch=4",
                                       "layout.stages=3",
                                       "layout.replicas=2",
                                       "layout.schedule=gpipe",
                                       "layout.exchange=ps_async",
                                       R"(layout.devices=["cuda:0","cuda:1"])",
                                       "layout.memory_per_device_gb=4"});
  const std::string text = render_job_config(job);
  const JobConfig again = parse(text);
  for (const JobKey& key : job_keys()) EXPECT_EQ(key.get(again), key.get(job)) << key.full_name();
  EXPECT_EQ(again.data.seed, 9007199254740993U);
  EXPECT_EQ(render_job_config(again), text);
  EXPECT_EQ(again.model.vocabulary, job.model.vocabulary);
}

TEST(JobConfig, EveryKeyIsRenderedOnceAndIsSettable) {
  const std::string text = render_job_config(parse(kSmall));
  for (const JobKey& key : job_keys()) {
    const std::size_t first = text.find(key.name + " = ");
    EXPECT_NE(first, std::string::npos) << key.full_name();
    JobConfig job;
    JobValue value = key.get(job);
    EXPECT_EQ(key.full_name() == "data.path" ? "" : check_job_value(key, value), "") << key.full_name();
  }
}

struct Refused {
  const char* override_text;
  const char* message_part;
};

TEST(JobConfig, JC2_UnknownKeyNamesTheNearest) {
  const std::vector<Refused> cases = {
      {"model.widht=7", "unknown key model.widht: did you mean model.width?"},
      {"train.learning_rate=7", "keys of [train] are steps, epochs"},
      {"train.global_bacth=7", "did you mean train.global_batch?"},
      {"layout.width=7", "did you mean model.width?"},
      {"lr=7", "did you mean train.lr?"},
      {"modle.width=7", "unknown section [modle]: did you mean [model]?"},
      {"optimizer.kind=7", "sections are model, data, train, layout"},
      {"qqqqqqqq=7", "keys stand in the sections model, data"},
      {"train.lr", "has no '='"},
  };
  for (const Refused& one : cases) {
    EXPECT_NE(refusal(kSmall, {one.override_text}).find(one.message_part), std::string::npos)
        << one.override_text << " -> " << refusal(kSmall, {one.override_text});
  }
  EXPECT_EQ(refusal("[model]\nwidht = 8\n"), "job.toml:2: unknown key model.widht: did you mean model.width?");
  EXPECT_NE(refusal("lr = 8\n").find("job.toml:1: unknown key lr: did you mean train.lr?"), std::string::npos);
  EXPECT_NE(refusal("[modell]\n").find("did you mean [model]?"), std::string::npos);
}

TEST(JobConfig, JC3_WrongTypeOrRangeNamesKeyValueAndWhatIsAllowed) {
  const std::vector<Refused> cases = {
      {"model.layers=0", "model.layers = 0 is not allowed: it takes an integer, from 1 to 1024"},
      {"model.layers=2.5", "model.layers = 2.5 is not allowed: it takes an integer"},
      {"model.layers=-1", "model.layers = -1 is not allowed"},
      {"model.layers=1025", "model.layers = 1025 is not allowed: it takes an integer, from 1 to 1024"},
      {"model.heads=1025", "from 1 to 1024"},
      {"model.width=2000000000", "model.width = 2000000000 is not allowed: it takes an integer, from 1 to 65536"},
      {"model.width=4294967295", "from 1 to 65536"},
      {"model.context=65537", "from 1 to 65536"},
      {"train.steps=4294967296", "train.steps = 4294967296 is not allowed"},
      {"model.layers=many", "model.layers = \"many\" is not allowed"},
      {"model.layers=", "model.layers = \"\" is not allowed"},
      {"model.dropout=1", "it takes a number, from 0 up to, but not including, 1"},
      {"model.dropout=nan", "model.dropout = nan is not allowed"},
      {"model.tied=1", "model.tied = 1 is not allowed: it takes true or false"},
      {"model.positions=rotary", R"(it takes "learned" or "sinusoidal")"},
      {"data.validation_fraction=1", "data.validation_fraction = 1 is not allowed"},
      {"train.lr=0", "train.lr = 0 is not allowed: it takes a number, above 0"},
      {"train.lr=inf", "train.lr = inf is not allowed"},
      {"train.clip=-0.5", "train.clip = -0.5 is not allowed: it takes a number, at least 0"},
      {"train.schedule=step", R"(it takes "constant", "linear" or "cosine")"},
      {"layout.schedule=1F1B", R"(it takes "gpipe" or "1f1b")"},
      {"layout.exchange=ring", R"(it takes "allreduce", "ps_sync" or "ps_async")"},
      {"layout.devices=gpu", R"("auto", "cpu", "cuda:N")"},
      {"layout.devices=[]", "layout.devices = [] is not allowed"},
      {R"(layout.devices=["auto","cpu"])", "is not allowed"},
      {"layout.devices=cuda:", "is not allowed"},
      {"data.seed=-3", "data.seed = -3 is not allowed"},
  };
  for (const Refused& one : cases) {
    EXPECT_NE(refusal(kSmall, {one.override_text}).find(one.message_part), std::string::npos)
        << one.override_text << " -> " << refusal(kSmall, {one.override_text});
  }
  EXPECT_EQ(refusal("[train]\n\nsteps = \"ten\"\n"),
            "job.toml:3: train.steps = \"ten\" is not allowed: it takes an integer, at least 0");
  EXPECT_NE(refusal("[train]\nsteps = 2026-01-01\n").find("job.toml:2: the value of steps is neither"),
            std::string::npos);
}

TEST(JobConfig, KeysThatDoNotFitTogetherAreRefusedWithAWayOut) {
  struct Case {
    std::vector<std::string> overrides;
    const char* message;
  };
  const std::vector<Case> cases = {
      {{"train.global_batch=60"},
       "job.toml: train.global_batch = 60 is not divisible by train.micro_batch = 16 x layout.replicas = 1 = 16: "
       "write train.global_batch = 48 or 64"},
      {{"train.global_batch=8"}, "write train.global_batch = 16"},
      {{"layout.replicas=3"}, "layout.replicas = 3 = 48"},
      {{"layout.stages=9"}, "layout.stages = 9 but model.layers = 4"},
      {{"model.heads=5"}, "model.width = 128 is not divisible by model.heads = 5"},
      {{"train.steps=0"}, "train.steps and train.epochs are both 0"},
      {{"train.epochs=2"}, "train.steps = 10 and train.epochs = 2 are both set"},
      {{"train.warmup_steps=11"}, "train.warmup_steps = 11 is more than train.steps = 10"},
      {{"train.min_lr=1"}, "train.min_lr = 1.0 is more than train.lr = 0.003"},
      {{"data.path="}, "data.path is missing"},
      {{"model.width=15", "model.heads=3", "model.positions=sinusoidal"}, "model.width = 15 is odd"},
  };
  for (const Case& one : cases) {
    const std::string message = refusal(kSmall, one.overrides);
    EXPECT_NE(message.find(one.message), std::string::npos) << message;
  }
}

TEST(JobConfig, TextThatIsNotTomlIsRefusedWithItsLine) {
  EXPECT_EQ(refusal("[model]\nwidth = \n").substr(0, 11), "job.toml:2:") << refusal("[model]\nwidth = \n");
  EXPECT_NE(refusal("[model]\nwidth = 8\nwidth = 16\n").find("job.toml:3"), std::string::npos);
  EXPECT_NE(refusal("[model\n").find("not TOML"), std::string::npos);
}

TEST(JobConfig, OverridesWinInTheirOrderAndMayLeaveOutQuotes) {
  const JobConfig job = parse(kSmall, {"model.width=64", "model.width=32", "data.path=2024", "train.lr=1",
                                       "layout.devices=auto", "data.tokenizer=\"bytes\""});
  EXPECT_EQ(job.model.width, 32);
  EXPECT_EQ(job.data.path, "2024");
  EXPECT_EQ(job.train.lr, 1.0);
  EXPECT_EQ(job.layout.devices, std::vector<std::string>{"auto"});
}

TEST(JobConfig, LoadReadsAFileAndNamesOneThatIsMissing) {
  const auto folder = std::filesystem::path(testing::TempDir()) / ("job_config_" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "job.toml") << kSmall;
  EXPECT_EQ(load_job_config(folder / "job.toml", {"train.steps=5"}).train.steps, 5U);
  const auto reason = [&](const std::filesystem::path& path) -> std::string {
    try {
      (void)load_job_config(path, {});
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_NE(reason(folder / "absent.toml").find("absent.toml: No such file or directory"), std::string::npos);
  EXPECT_NE(reason(folder).find("it is a folder"), std::string::npos);
  std::filesystem::remove_all(folder);
}

TEST(JobConfig, ModelJsonHoldsWhatTheWeightsDependOn) {
  EXPECT_EQ(model_json(parse(kSmall)),
            R"({"layers":4,"heads":4,"width":128,"context":64,"vocabulary":256,"dropout":0.0,)"
            R"("positions":"learned","head":"tied"})");
}

TEST(JobConfig, JK1_TheReferenceInDocsIsTheTableOfKeys) {
  const auto docs = std::filesystem::path(__FILE__).parent_path() / "../../../docs/configuration.md";
  std::ifstream file(docs);
  std::ostringstream text;
  text << file.rdbuf();
  EXPECT_NE(text.str().find(render_key_reference()), std::string::npos)
      << "docs/configuration.md is out of date; its tables must read:\n\n"
      << render_key_reference();
}

TEST(JobConfig, WhatAMessageCannotCarryIsRefusedWithTheBound) {
  const auto says = [](const std::vector<std::string>& overrides) { return refusal(kSmall, overrides); };
  EXPECT_NE(says({"train.global_batch=2002", "train.micro_batch=1", "layout.replicas=2"})
                .find("is 1001 micro-batches for each replica, at most 1000"),
            std::string::npos);
  EXPECT_EQ(says({"train.global_batch=2000", "train.micro_batch=1", "layout.replicas=2"}), "accepted");
  EXPECT_NE(says({"train.global_batch=8001", "train.micro_batch=8001"}).find("at most 8000"), std::string::npos);
  EXPECT_NE(says({"model.layers=700", "layout.stages=2"}).find("350 layers in one place, at most 320"),
            std::string::npos);
  EXPECT_EQ(says({"model.layers=700", "layout.stages=4"}), "accepted");
  EXPECT_NE(says({"model.layers=700", "layout.stages=4", "layout.exchange=ps_sync"}).find("with a parameter server"),
            std::string::npos);
}

}  // namespace
}  // namespace troupe::actors
