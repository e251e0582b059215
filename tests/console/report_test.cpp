#include "console/report.hpp"

#include "console/view/json_lines.hpp"
#include "tests/console/scratch_folder.hpp"

#include <sstream>

namespace troupe::console {
namespace {

/// Where the tag that begins at `start` ends: the first '>' outside of quotes.
std::size_t tag_end(const std::string& page, std::size_t start) {
  std::size_t quotes = 0;
  for (std::size_t i = start; i < page.size(); ++i) {
    if (page[i] == '"') ++quotes;
    if (page[i] == '>' && quotes % 2 == 0) return i;
  }
  return std::string::npos;
}

/// Empty when every tag is closed in order, else the first that is not.
std::string unbalanced_tag(const std::string& page) {
  std::vector<std::string> open;
  for (std::size_t start = page.find('<'); start != std::string::npos; start = page.find('<', start + 1)) {
    const std::size_t end = tag_end(page, start);
    if (end == std::string::npos) return "no '>' after " + page.substr(start, 20);
    const std::string tag = page.substr(start + 1, end - start - 1);
    start = end;
    if (tag.starts_with('!') || tag.ends_with('/')) continue;
    const std::string name = tag.substr(0, tag.find_first_of(" \n"));
    if (!name.starts_with('/')) {
      open.push_back(name);
      continue;
    }
    if (open.empty() || "/" + open.back() != name) return "<" + name + "> closes " + (open.empty() ? "" : open.back());
    open.pop_back();
  }
  return open.empty() ? "" : "<" + open.back() + "> stays open";
}

TEST(Report, TheCheckOfTagsFindsWhatIsWrong) {
  EXPECT_EQ(unbalanced_tag("<!DOCTYPE html><p class=\"a>b\">x<br/></p>"), "");
  EXPECT_NE(unbalanced_tag("<p><b></p></b>"), "");
  EXPECT_NE(unbalanced_tag("<p>"), "");
  EXPECT_NE(unbalanced_tag("</p>"), "");
  EXPECT_NE(unbalanced_tag("<p></p><a href=\"x"), "");
}

void write_run(const ScratchFolder& folder) {
  folder.write("config.toml", "[data]\npath = \"<script>alert(1)</script>\"\n");
  for (int step = 1; step <= 40; ++step) {
    folder.write("metrics.jsonl", nlohmann::json({{"step", step},
                                                  {"loss", 5.0 - 0.05 * step},
                                                  {"grad_norm", 1.0 / step},
                                                  {"lr", 0.001 * step},
                                                  {"tokens_per_second", 14000 + step},
                                                  {"staleness", {0, 1, 1}}})
                                          .dump() +
                                      "\n");
  }
  folder.write("validation.jsonl",
               R"({"step":20,"epoch":1,"loss":4.25,"accuracy":0.25,"best":true,"train_loss":4.4,"epoch_seconds":185})"
               "\n"
               R"({"step":40,"epoch":2,"loss":3.5,"accuracy":0.375,"best":true})"
               "\n");
  folder.write("events.jsonl", R"({"seconds":0.1,"event":"job_started"})"
                               "\n"
                               R"({"seconds":5.25,"event":"actor_down","actor":"stage/r0.s1","incarnation":1,)"
                               R"json("node":"local","cause":"killed by signal 9 (SIGKILL)"})json"
                               "\n"
                               R"({"seconds":5.3,"event":"actor_restart","actor":"stage/r0.s1","incarnation":2})"
                               "\n"
                               R"({"seconds":7.75,"event":"actor_up","actor":"stage/r0.s1","incarnation":2})"
                               "\n"
                               R"({"seconds":9,"event":"actor_down","actor":"data/r0","incarnation":1,"cause":"a<b"})"
                               "\n"
                               R"({"seconds":60,"event":"job_fini)");
}

TEST(Report, RP1_TagsAreBalancedAndTextsEscaped) {
  const ScratchFolder folder("report");
  write_run(folder);
  const std::string page = render_report(read_report_input(RunFolder{folder.path()}));
  EXPECT_EQ(unbalanced_tag(page), "");
  EXPECT_EQ(page.find("<script"), std::string::npos);
  EXPECT_NE(page.find("&lt;script&gt;alert(1)"), std::string::npos);
  EXPECT_NE(page.find("a&lt;b"), std::string::npos);
}

TEST(Report, RP1_AnEmptyRunGivesAPageToo) {
  const ScratchFolder folder("report_empty");
  const std::string page = render_report(read_report_input(RunFolder{folder.path()}));
  EXPECT_EQ(unbalanced_tag(page), "");
  for (const char* part : {"no data yet", "No validation yet.", "No actor died.", "not started"}) {
    EXPECT_NE(page.find(part), std::string::npos) << part;
  }
}

TEST(Report, RP1_LinesOfOddTypesDoNotHurt) {
  ReportInput input;
  input.metrics = {nlohmann::json({{"step", "ten"}, {"loss", nullptr}}), nlohmann::json::object(),
                   nlohmann::json({{"step", 1}, {"loss", 1e308}, {"staleness", {-1, "x", 1e30, 7}}})};
  input.validation = {nlohmann::json({{"best", 3}, {"loss", "low"}})};
  input.events = {nlohmann::json({{"event", 5}}), nlohmann::json({{"event", "actor_up"}, {"actor", "x"}})};
  EXPECT_EQ(unbalanced_tag(render_report(input)), "");
}

TEST(Report, RP2_NothingIsAskedFromOutside) {
  const ScratchFolder folder("report_outside");
  write_run(folder);
  const std::string page = render_report(read_report_input(RunFolder{folder.path()}));
  for (const char* sign : {"http:", "https:", " src=", " href=", "url(", "@import"}) {
    EXPECT_EQ(page.find(sign), std::string::npos) << sign;
  }
}

TEST(Report, ItTellsWhatHappened) {
  const ScratchFolder folder("report_told");
  write_run(folder);
  const std::string page = render_report(read_report_input(RunFolder{folder.path()}));
  for (const char* part : {
           "<b>3.0000</b>",                           // last training loss
           "<b>3.5000</b><small>at step 40</small>",  // best validation
           "<b>37.5 %</b>",
           "<td>3m05s</td>",  // accuracy, epoch time
           "<td>stage/r0.s1#1</td><td>local</td><td>killed by signal 9 (SIGKILL)</td><td>7.8 s as #2</td>",
           "<td>not up again</td>",
           "Staleness of gradients",
           "<title>1: 80</title>",
           "Learning rate",
       }) {
    EXPECT_NE(page.find(part), std::string::npos) << part;
  }
}

TEST(Report, ItIsWrittenAsAWholeOrNotAtAll) {
  const ScratchFolder folder("report_written");
  write_run(folder);
  const auto file = write_report(RunFolder{folder.path()});
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  EXPECT_TRUE(text.str().ends_with("</html>\n"));
  std::size_t files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder.path())) ++files;
  EXPECT_EQ(files, 5U) << "nothing is left beside the report";
  EXPECT_THROW(write_report(RunFolder{folder.path() / "absent"}), std::runtime_error);
}

}  // namespace
}  // namespace troupe::console
