#include "actors/stage_inbox.hpp"

#include "tests/support/tiny_job.hpp"

#include <gtest/gtest.h>

namespace troupe::actors {
namespace {

/// Bytes that tell one message from another.
TensorBytes tensor(std::int64_t mark) {
  return {TensorBytes::Type::float32, {mark}, {}};
}

BatchTargets targets(std::uint32_t epoch, std::uint32_t step, std::uint32_t micro_batch,
                     Purpose purpose = Purpose::train) {
  return {epoch, step, micro_batch, purpose, {micro_batch}, 0, {}};
}

TEST(StageInbox, SI1_AMessageIsTakenOnceAndByItsKey) {
  StageInbox inbox;
  inbox.begin_epoch(3);
  EXPECT_TRUE(inbox.put(ForwardActivations{3, 5, 1, Purpose::train, tensor(51)}));
  EXPECT_TRUE(inbox.put(ForwardActivations{3, 5, 0, Purpose::train, tensor(50)}));
  EXPECT_TRUE(inbox.put(targets(3, 5, 1)));
  EXPECT_FALSE(inbox.take_forward(Purpose::train, 5, 0)) << "the targets are not there yet";
  EXPECT_TRUE(inbox.put(targets(3, 5, 0)));
  const std::optional<StageInbox::Forward> first = inbox.take_forward(Purpose::train, 5, 0);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->input.shape, std::vector<std::int64_t>{50});
  EXPECT_EQ(first->targets.micro_batch, 0U);
  EXPECT_FALSE(inbox.take_forward(Purpose::train, 5, 0));
  EXPECT_FALSE(inbox.take_forward(Purpose::train, 6, 1));
  EXPECT_TRUE(inbox.take_forward(Purpose::train, 5, 1));

  EXPECT_TRUE(inbox.put(BackwardGradients{3, 5, 1, tensor(7)}));
  EXPECT_FALSE(inbox.take_backward(5, 0));
  EXPECT_TRUE(inbox.take_backward(5, 1));
  EXPECT_FALSE(inbox.take_backward(5, 1));
}

TEST(StageInbox, SI1_AMessageThatComesTwiceIsOne) {
  StageInbox inbox;
  inbox.begin_epoch(1);
  for (const bool first : {true, false}) {
    EXPECT_EQ(inbox.put(BatchInputs{1, 0, 0, Purpose::train, tensor(1)}), first);
    EXPECT_EQ(inbox.put(targets(1, 0, 0)), first);
    EXPECT_EQ(inbox.put(BackwardGradients{1, 0, 0, tensor(1)}), first);
  }
  EXPECT_TRUE(inbox.take_forward(Purpose::train, 0, 0));
  EXPECT_FALSE(inbox.take_forward(Purpose::train, 0, 0));
  EXPECT_FALSE(inbox.put(BatchInputs{1, 0, 0, Purpose::train, tensor(1)})) << "a neighbour was started again";
  EXPECT_FALSE(inbox.put(targets(1, 0, 0)));
  EXPECT_FALSE(inbox.take_forward(Purpose::train, 0, 0));
  EXPECT_EQ(inbox.repeated(), 5U);
  EXPECT_TRUE(inbox.take_differences().empty());
}

TEST(StageInbox, SI1_AMessageThatComesAgainWithOtherBytesIsDroppedAndTold) {
  StageInbox inbox;
  inbox.begin_epoch(1);
  const auto bytes = [](std::int64_t value) { return test::bytes_of<std::int64_t>({1}, {value}); };
  EXPECT_TRUE(inbox.put(ForwardActivations{1, 6, 3, Purpose::train, bytes(1)}));
  EXPECT_FALSE(inbox.put(ForwardActivations{2, 6, 3, Purpose::train, bytes(2)}));
  EXPECT_TRUE(inbox.put(BackwardGradients{1, 6, 3, bytes(1)}));
  EXPECT_FALSE(inbox.put(BackwardGradients{1, 6, 3, bytes(5)}));
  EXPECT_EQ(inbox.take_differences(),
            (std::vector<std::string>{"inputs of micro-batch 3 of step 7", "gradients of micro-batch 3 of step 7"}));
  EXPECT_TRUE(inbox.take_differences().empty());
}

TEST(StageInbox, SI3_NothingIsKeptOrTakenInOfStepsThatAreDone) {
  StageInbox inbox;
  inbox.begin_epoch(1);
  EXPECT_TRUE(inbox.put(BatchInputs{1, 4, 0, Purpose::train, tensor(1)}));
  EXPECT_TRUE(inbox.put(targets(1, 4, 0)));
  EXPECT_TRUE(inbox.put(BackwardGradients{1, 4, 0, tensor(1)}));
  inbox.begin_step(5);
  EXPECT_FALSE(inbox.take_forward(Purpose::train, 4, 0));
  EXPECT_FALSE(inbox.take_backward(4, 0));
  EXPECT_FALSE(inbox.put(BackwardGradients{1, 4, 1, tensor(1)}));
  EXPECT_TRUE(inbox.put(BackwardGradients{1, 5, 1, tensor(1)}));
}

TEST(StageInbox, SI2_WhatWasSentInAnEpochThatGoesOnCountsInTheNext) {
  StageInbox inbox;
  inbox.begin_epoch(4, 2);
  EXPECT_TRUE(inbox.put(BackwardGradients{2, 0, 0, tensor(1)})) << "all began in epoch 2";
  EXPECT_FALSE(inbox.put(BackwardGradients{1, 0, 1, tensor(1)}));
  inbox.continue_in(5);
  EXPECT_EQ(inbox.epoch(), 5U);
  EXPECT_TRUE(inbox.put(BackwardGradients{4, 0, 2, tensor(1)}));
  EXPECT_TRUE(inbox.put(BackwardGradients{6, 0, 3, tensor(1)})) << "from one who has heard of it before";
  EXPECT_TRUE(inbox.take_backward(0, 0));
  EXPECT_FALSE(inbox.put(BatchInputs{4, 0, 0, Purpose::evaluate, tensor(1)})) << "evaluation begins anew";
  EXPECT_TRUE(inbox.put(BatchInputs{5, 0, 0, Purpose::evaluate, tensor(1)}));
}

TEST(StageInbox, SI2_OtherEpochsAreRefusedAndCounted) {
  StageInbox inbox;
  inbox.begin_epoch(2);
  EXPECT_FALSE(inbox.put(BatchInputs{1, 0, 0, Purpose::train, tensor(1)}));
  EXPECT_FALSE(inbox.put(targets(1, 0, 0)));
  EXPECT_FALSE(inbox.put(ForwardActivations{1, 0, 0, Purpose::train, tensor(1)}));
  EXPECT_FALSE(inbox.put(BackwardGradients{1, 0, 0, tensor(1)}));
  EXPECT_EQ(inbox.refused(), 4U);
  EXPECT_FALSE(inbox.take_forward(Purpose::train, 0, 0));
  EXPECT_FALSE(inbox.take_backward(0, 0));
}

TEST(StageInbox, SI2_ANewEpochDropsWhatWaited) {
  StageInbox inbox;
  inbox.begin_epoch(1);
  for (const Purpose purpose : {Purpose::train, Purpose::evaluate}) {
    EXPECT_TRUE(inbox.put(BatchInputs{1, 0, 0, purpose, tensor(1)}));
    EXPECT_TRUE(inbox.put(targets(1, 0, 0, purpose)));
  }
  EXPECT_TRUE(inbox.put(BackwardGradients{1, 0, 0, tensor(1)}));
  inbox.begin_epoch(2);
  EXPECT_FALSE(inbox.take_forward(Purpose::train, 0, 0));
  EXPECT_FALSE(inbox.take_backward(0, 0));
  EXPECT_FALSE(inbox.ready_evaluation(0));
}

TEST(StageInbox, EvaluationAndTrainingDoNotMix) {
  StageInbox inbox;
  inbox.begin_epoch(1);
  EXPECT_TRUE(inbox.put(BatchInputs{1, 4, 2, Purpose::evaluate, tensor(1)}));
  EXPECT_FALSE(inbox.ready_evaluation(4));
  EXPECT_TRUE(inbox.put(targets(1, 4, 2, Purpose::evaluate)));
  EXPECT_FALSE(inbox.take_forward(Purpose::train, 4, 2));
  EXPECT_FALSE(inbox.ready_evaluation(3)) << "of another border";
  EXPECT_EQ(inbox.ready_evaluation(4), 2U);
  EXPECT_TRUE(inbox.take_forward(Purpose::evaluate, 4, 2));
  EXPECT_FALSE(inbox.ready_evaluation(4));
}

}  // namespace
}  // namespace troupe::actors
