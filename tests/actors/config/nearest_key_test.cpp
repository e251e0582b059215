#include "actors/config/nearest_key.hpp"

#include <gtest/gtest.h>

namespace troupe::actors {
namespace {

std::vector<JobKey> keys() {
  std::vector<JobKey> all(4);
  all[0].section = all[1].section = "model";
  all[0].name = "width";
  all[1].name = "layers";
  all[2].section = all[3].section = "train";
  all[2].name = "lr";
  all[3].name = "global_batch";
  return all;
}

TEST(NearestKey, NamesTheKeyThatIsSpelledMostLikeIt) {
  EXPECT_EQ(describe_unknown_key(keys(), "model", "widht"), "unknown key model.widht: did you mean model.width?");
  EXPECT_EQ(describe_unknown_key(keys(), "train", "globalbatch"),
            "unknown key train.globalbatch: did you mean train.global_batch?");
}

TEST(NearestKey, FindsAKeyInAnotherSection) {
  EXPECT_EQ(describe_unknown_key(keys(), "model", "lr"), "unknown key model.lr: did you mean train.lr?");
  EXPECT_EQ(describe_unknown_key(keys(), "", "lr"), "unknown key lr: did you mean train.lr?");
}

TEST(NearestKey, ListsWhatThereIsWhenNothingIsClose) {
  EXPECT_EQ(describe_unknown_key(keys(), "model", "zzzzzzzz"),
            "unknown key model.zzzzzzzz: keys of [model] are width, layers");
  EXPECT_EQ(describe_unknown_key(keys(), "", "zzzzzzzz"),
            "unknown key zzzzzzzz: keys stand in the sections model, train");
}

TEST(NearestKey, SectionsToo) {
  EXPECT_EQ(nearest_section(keys(), "modle"), "model");
  EXPECT_EQ(nearest_section(keys(), "zzzzzzzz"), "");
  EXPECT_EQ(describe_unknown_key(keys(), "trian", "x"), "unknown section [trian]: did you mean [train]?");
  EXPECT_EQ(describe_unknown_key(keys(), "zzzzzzzz", "x"), "unknown section [zzzzzzzz]: sections are model, train");
}

}  // namespace
}  // namespace troupe::actors
