#include "runtime/group/group.hpp"

#include "runtime/gather.hpp"
#include "runtime/message/message.hpp"
#include "tests/runtime/script.hpp"

namespace troupe::runtime {
namespace {

using std::chrono::milliseconds;
using Texts = std::vector<std::string>;

/// stage/r0.s0 and so on.
Group stages(std::uint32_t replicas = 2, std::uint32_t count = 3) {
  return Group::make("stages", {{"replica", 0, replicas - 1}, {"stage", 0, count - 1}},
                     [](const std::vector<std::uint32_t>& at) {
                       return ActorId{"r" + std::to_string(at[0]) + ".s" + std::to_string(at[1]), 0};
                     })
      .value();
}

std::string names_of(const Result<Group>& group) {
  if (!group) return group.failure().text;
  std::string text;
  for (const ActorId& each : *group) text += (text.empty() ? "" : " ") + each.name;
  return text;
}

struct Carries {
  static constexpr std::string_view kName = "test.carries";
  Group group;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(group);
  }
};

/// What a Group writes, with any dimensions and actors.
struct Forged {
  static constexpr std::string_view kName = "test.carries";
  std::string name;
  std::vector<Dimension> dimensions;
  std::vector<ActorId> actors;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(name, dimensions, actors);
  }
};

TEST(Group, GR1_TheLastDimensionChangesFastest) {
  const Group group = stages();
  EXPECT_EQ(names_of(group), "r0.s0 r0.s1 r0.s2 r1.s0 r1.s1 r1.s2");
  for (std::size_t at = 0; at < group.size(); ++at) {
    const std::vector<std::uint32_t> indices = group.indices_of(at);
    EXPECT_EQ(group.actors()[at].name, "r" + std::to_string(indices[0]) + ".s" + std::to_string(indices[1]));
  }
}

TEST(Group, GR2_ASliceHasWhatIsInEveryPartAtItsPlaces) {
  const Group group = stages();
  EXPECT_EQ(names_of(group.slice({{"stage", 1, 2}})), "r0.s1 r0.s2 r1.s1 r1.s2");
  EXPECT_EQ(names_of(group.slice({{"stage", 1, 2}, {"replica", 1}})), "r1.s1 r1.s2");
  EXPECT_EQ(names_of(group.slice({})), names_of(group));
  const Group part = group.slice({{"stage", 1, 2}}).value();
  EXPECT_EQ(part.indices_of(2), (std::vector<std::uint32_t>{1, 1})) << "indices are the whole's";
  EXPECT_EQ(names_of(part.slice({{"stage", 2}})), "r0.s2 r1.s2");
  EXPECT_EQ(names_of(part.slice({{"stage", 0}})), "stage=0 is not in stages(replica=0..1, stage=1..2)");
}

TEST(Group, GR2_APointIsOneActor) {
  const Group group = stages();
  EXPECT_EQ(group.at({{"replica", 1}, {"stage", 0}}).value().name, "r1.s0");
  EXPECT_EQ(stages(1, 3).at({{"stage", 2}}).value().name, "r0.s2") << "there is but one replica";
  EXPECT_EQ(group.at({{"stage", 2}}).failure().text,
            "stages(replica=0..1, stage=2) is 2 actors: name one index of each");
}

TEST(Group, ErrorsSayWhatThereIs) {
  const Group group = stages();
  EXPECT_EQ(names_of(group.slice({{"replca", 1}})),
            "stages has no dimension replca (did you mean replica?): it is stages(replica=0..1, stage=0..2)");
  EXPECT_EQ(names_of(group.slice({{"replica", 1, 5}})), "replica=1..5 is not in stages(replica=0..1, stage=0..2)");
  EXPECT_EQ(names_of(group.select("staged(stage=1)")), "this is the group stages, not staged");
  const auto anybody = [](const std::vector<std::uint32_t>&) { return ActorId{"a", 0}; };
  EXPECT_EQ(names_of(Group::make("g", {{"x", 0, 1}, {"x", 0, 1}}, anybody)), "g has two dimensions named x");
  EXPECT_EQ(names_of(Group::make("g", {{"x", 0, 65535}, {"y", 0, 65535}}, anybody)), "g has more than 65536 places");
  EXPECT_EQ(names_of(Group::make("g", {{"x", 0, 0xffff'ffff}}, anybody)), "g has more than 65536 places");
  EXPECT_EQ(names_of(Group::make("g", {{"x", 2, 1}}, anybody)), "g: x=2..1 ends before it begins");
}

TEST(Group, GR3_TheTextOfASliceIsReadBack) {
  const Group group = stages(4, 5);
  for (const std::vector<Dimension>& parts :
       {std::vector<Dimension>{}, {{"replica", 2}}, {{"stage", 1, 3}}, {{"replica", 0, 1}, {"stage", 4}}}) {
    const Group part = group.slice(parts).value();
    EXPECT_EQ(group.select(part.describe()).value(), part) << part.describe();
  }
  EXPECT_EQ(group.select("stages").value(), group);
  EXPECT_EQ(group.select(" stages ( ) ").value(), group);
  EXPECT_EQ(names_of(group.select("stages( stage = 1 .. 2 ,replica=3)")), "r3.s1 r3.s2");
}

TEST(Group, GR3_NamesThatNoTextCanSayAreRefused) {
  const auto anybody = [](const std::vector<std::uint32_t>&) { return ActorId{"a", 0}; };
  EXPECT_EQ(names_of(Group::make("stage(s)", {}, anybody)),
            "\"stage(s)\" is no name of a group: it is a word of at most 200 letters, without (),=");
  EXPECT_EQ(names_of(Group::make("g", {{"x.y", 0}}, anybody)),
            "g: \"x.y\" is no name of a dimension: it is a word of at most 200 letters, without =,.()");
  for (const std::string& name : {std::string(), std::string("a b"), std::string("a,b"), std::string(201, 'x')}) {
    EXPECT_FALSE(Group::make(name, {}, anybody)) << name;
    EXPECT_FALSE(Group::make("g", {{name, 0}}, anybody)) << name;
    EXPECT_FALSE(decode_message<Carries>(encode_message(Forged{name, {}, {{"a", 1}}}))) << name;
    EXPECT_FALSE(decode_message<Carries>(encode_message(Forged{"g", {{name, 0}}, {{"a", 1}}}))) << name;
  }
  EXPECT_FALSE(decode_message<Carries>(encode_message(Forged{"g", {{"x", 0}, {"x", 0}}, {{"a", 1}}})));
  const Group dotted = Group::make("v1.stages", {{"x", 0}}, anybody).value();
  EXPECT_EQ(dotted.select(dotted.describe()).value(), dotted);
}

TEST(Group, ATextThatIsNoSelectionIsAFailureThatSaysWhere) {
  const std::string like = "; it looks like stages(replica=0..1, stage=1)";
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"", "\"\": expected the name of a group at letter 1" + like},
      {"(stage=1)", "\"(stage=1)\": expected the name of a group at letter 1" + like},
      {"stages)", "\"stages)\": expected \"(\" at letter 7" + like},
      {"stages(stage)", "\"stages(stage)\": expected \"=\" at letter 13" + like},
      {"stages(stage=)", "\"stages(stage=)\": expected an index, like 0 or 0..1 at letter 14" + like},
      {"stages(stage=-1)", "\"stages(stage=-1)\": expected an index, like 0 or 0..1 at letter 14" + like},
      {"stages(stage=1.2)", "\"stages(stage=1.2)\": expected \"..\" at letter 16" + like},
      {"stages(stage=1..)", "\"stages(stage=1..)\": expected the last index, like 0..1 at letter 17" + like},
      {"stages(stage=1", "\"stages(stage=1\": expected \",\" or \")\" at letter 15" + like},
      {"stages(stage=1,)", "\"stages(stage=1,)\": expected the name of a dimension at letter 16" + like},
      {"stages(stage=1) x", "\"stages(stage=1) x\": expected nothing more at letter 17" + like},
      {"stages(stage=2..1)", "stage=2..1 ends before it begins"},
      {"stages(stage=99999999999)",
       "\"stages(stage=99999999999)\": expected an index, like 0 or 0..1 at letter 14" + like},
      {"s(a=1, a=2)", "\"s(a=1, a=2)\" names the dimension a twice"},
  };
  for (const auto& [text, why] : wrong) {
    const Result<Selection> selection = parse_selection(text);
    ASSERT_FALSE(selection) << text;
    EXPECT_EQ(selection.failure().text, why);
  }
}

TEST(Group, GR4_TravelsWholeOrIsRefused) {
  const Group part = stages().slice({{"stage", 1, 2}}).value();
  EXPECT_EQ(decode_message<Carries>(encode_message(Carries{part})).value().group, part);
  EXPECT_EQ(decode_message<Carries>(encode_message(Carries{})).value().group, Group{});
  const Dimension two{"x", 0, 1};
  const ActorId one{"a", 1};
  EXPECT_FALSE(decode_message<Carries>(encode_message(Forged{"g", {two}, {one}})));
  EXPECT_FALSE(decode_message<Carries>(encode_message(Forged{"g", {two}, {}})));
  EXPECT_FALSE(decode_message<Carries>(encode_message(Forged{"g", {}, {one, one}})));
  EXPECT_FALSE(decode_message<Carries>(encode_message(Forged{"g", {{"x", 0, 0xffff'ffff}}, {one}})));
  EXPECT_FALSE(decode_message<Carries>(encode_message(Forged{"g", {{"x", 1, 0}}, {}})));
}

TEST(Group, IsToldAndAskedAcrossNodes) {
  Script script;
  std::vector<std::uint32_t> heard;
  const Group group = stages(2, 2);
  for (std::size_t at = 0; at < group.size(); ++at) {
    HookedActor::Hooks hooks;
    hooks.number = [&heard](const Number& number, Context&) { heard.push_back(number.value); };
    const auto own = static_cast<std::uint32_t>(at);
    hooks.ask = [own](const Ask&, Context& context) { context.reply(Answer{own}); };
    script.spawn(at % 2 == 0 ? script.left : script.right, group.actors()[at].name, std::move(hooks));
  }
  script.spawn_puppet(script.left, "driver");
  std::vector<std::uint32_t> answers;
  script.act(script.left, "driver", [&](Context& context) {
    for (const Result<Done>& sent : broadcast(context, group, Number{5})) EXPECT_TRUE(sent);
    gather<Answer>(context, group.select("stages(replica=1)").value(), Ask{}, milliseconds(100),
                   [&answers](const std::vector<Result<Answer>>& all, Context&) {
                     for (const Result<Answer>& each : all) answers.push_back(each.value().value);
                   });
  });
  script.network.deliver_all();
  EXPECT_EQ(heard, (std::vector<std::uint32_t>{5, 5, 5, 5}));
  EXPECT_EQ(answers, (std::vector<std::uint32_t>{2, 3}));
}

}  // namespace
}  // namespace troupe::runtime
