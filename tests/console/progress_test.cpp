#include "console/progress.hpp"

#include "console/view/table.hpp"

#include <gtest/gtest.h>

#include <regex>

namespace troupe::console {
namespace {

ProgressState middle() {
  ProgressState state;
  state.step = 100;
  state.steps = 700;
  state.loss = 2.34561;
  state.accuracy = 0.3123;
  state.tokens_per_second = 14100;
  state.validation_loss = 2.4;
  state.eta_seconds = 130;
  for (const char* name : {"r0.s0", "r0.s1", "r1.s0", "r1.s1"}) state.stages.push_back({name, "running", "forward"});
  return state;
}

std::string without_colours(const std::string& text) {
  return std::regex_replace(text, std::regex("\x1b\\[[0-9]*m"), "");
}

TEST(Progress, ALineTellsEverything) {
  EXPECT_EQ(render_progress_line(middle()),
            "step 100/700  loss 2.3456  acc 31.2 %  14.1 k tok/s  val 2.4000  ETA 2m10s  4/4 stages up");
}

TEST(Progress, WhatIsNotKnownIsLeftOut) {
  ProgressState state;
  state.steps = 700;
  EXPECT_EQ(render_progress_line(state), "step 0/700");
}

TEST(Progress, StagesThatAreNotUpAreNamed) {
  ProgressState state = middle();
  state.stages[2].status = "dead";
  EXPECT_NE(render_progress_line(state).find("3/4 stages up (r1.s0 dead)"), std::string::npos);
  EXPECT_NE(render_progress_bar(state, 100, Colour::off).find("3/4 stages up (r1.s0 dead)"), std::string::npos);
}

TEST(Progress, PG1_ABarIsNeverWiderThanTheTerminal) {
  ProgressState broken = middle();
  broken.stages[0].status = "restarting";
  for (const ProgressState& state : {middle(), broken, ProgressState{}}) {
    for (std::size_t width = 20; width <= 200; ++width) {
      for (const Colour colour : {Colour::on, Colour::off}) {
        EXPECT_LE(display_width(without_colours(render_progress_bar(state, width, colour))), width);
      }
    }
  }
}

TEST(Progress, TheBarGrowsWithTheSteps) {
  ProgressState state = middle();
  const auto filled = [&](std::uint64_t step) {
    state.step = step;
    const std::string bar = render_progress_bar(state, 200, Colour::off);
    std::size_t cells = 0;
    for (std::size_t at = bar.find("━"); at != std::string::npos; at = bar.find("━", at + 1)) ++cells;
    return cells;
  };
  EXPECT_EQ(filled(0), 0U);
  EXPECT_EQ(filled(350), 12U);
  EXPECT_EQ(filled(700), 24U);
}

TEST(Progress, ColoursOnlyWhenWanted) {
  EXPECT_EQ(render_progress_bar(middle(), 120, Colour::off).find('\x1b'), std::string::npos);
  EXPECT_NE(render_progress_bar(middle(), 120, Colour::on).find('\x1b'), std::string::npos);
}

TEST(Progress, LinesComeEveryFewStepsAtTheEndAndWhenHealthChanges) {
  testing::internal::CaptureStderr();
  {
    ProgressPrinter printer(ProgressPrinter::Mode::lines, 10);
    ProgressState state = middle();
    state.steps = 25;
    for (state.step = 0; state.step <= 25; ++state.step) {
      if (state.step == 13) state.stages[1].status = "dead";
      if (state.step == 15) state.stages[1].status = "running";
      printer.show(state);
    }
    state.step = 25;
    printer.show(state);
    printer.say("saved");
  }
  const std::string written = testing::internal::GetCapturedStderr();
  std::string steps;
  const std::regex step("step ([0-9]+)/");
  for (std::sregex_iterator each(written.begin(), written.end(), step), end; each != end; ++each) {
    steps += (*each)[1].str() + " ";
  }
  EXPECT_EQ(steps, "0 10 13 15 20 25 ");
  EXPECT_TRUE(written.ends_with("\nsaved\n"));
}

TEST(Progress, QuietShowsNoProgressButSaysMessages) {
  testing::internal::CaptureStderr();
  {
    ProgressPrinter printer(ProgressPrinter::Mode::quiet);
    printer.show(middle());
    printer.say("stopped");
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "stopped\n");
}

}  // namespace
}  // namespace troupe::console
