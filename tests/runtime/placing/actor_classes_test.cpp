#include "runtime/placing/actor_classes.hpp"

#include "tests/runtime/test_actors.hpp"

#include <gtest/gtest.h>

#include <span>
#include <stdexcept>

namespace troupe::runtime {
namespace {

class Plain final : public Actor {
public:
  Behavior behavior() override { return {}; }
};

class Sized final : public Actor {
public:
  explicit Sized(const Number& number) : size(number.value) {}
  Behavior behavior() override { return {}; }
  const std::uint32_t size;
};

class Filled final : public Actor {
public:
  explicit Filled(const Payload& bytes) : size(bytes.size()) {}
  Behavior behavior() override { return {}; }
  const std::size_t size;
};

class Throwing final : public Actor {
public:
  Throwing() { throw std::runtime_error("no such device"); }
  Behavior behavior() override { return {}; }
};

struct Started {
  static constexpr std::string_view kName = "test.arguments_carrier";
  Arguments arguments;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(arguments);
  }
};

ActorClasses three_classes() {
  ActorClasses classes;
  classes.add<Plain>("plain");
  classes.add<Sized, Number>("sized");
  classes.add<Filled, Payload>("filled");
  return classes;
}

Payload three_bytes() {
  return Payload::copy_of(std::as_bytes(std::span("abc", 3)));
}

TEST(ActorClasses, AX1_MakesByNameOrSaysWhatThereIs) {
  ActorClasses classes = three_classes();
  classes.add("own", [](const Arguments&) { return std::make_unique<Plain>(); });
  classes.add("none", [](const Arguments&) { return std::unique_ptr<Actor>(); });
  EXPECT_TRUE(classes.make("plain", {}));
  EXPECT_TRUE(classes.make("own", {}));
  const auto sized = classes.make("sized", Number{7});
  ASSERT_TRUE(sized);
  EXPECT_EQ(dynamic_cast<const Sized&>(**sized).size, 7U);
  const auto filled = classes.make("filled", three_bytes());
  ASSERT_TRUE(filled);
  EXPECT_EQ(dynamic_cast<const Filled&>(**filled).size, 3U);
  const auto unknown = classes.make("plian", {});
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.failure().text,
            "no class named plian here (did you mean plain?); there are: filled, none, own, plain, sized");
  EXPECT_EQ(classes.make("none", {}).failure().text, "class none made no actor");
  EXPECT_EQ(ActorClasses().make("x", {}).failure().text, "no class named x here; there are: none");
  EXPECT_THROW(classes.add<Plain>("plain"), std::invalid_argument);
  EXPECT_THROW(classes.add<Plain>(""), std::invalid_argument);
}

TEST(ActorClasses, AX2_OtherArgumentsAreRefusedInWords) {
  const ActorClasses classes = three_classes();
  EXPECT_EQ(classes.make("plain", Number{7}).failure().text,
            "class plain: arguments are to be nothing, and are a test.number");
  EXPECT_EQ(classes.make("sized", {}).failure().text,
            "class sized: arguments are to be a test.number, and are nothing");
  EXPECT_EQ(classes.make("sized", three_bytes()).failure().text,
            "class sized: arguments are to be a test.number, and are bulk bytes");
  EXPECT_EQ(classes.make("filled", Ask{1}).failure().text,
            "class filled: arguments are to be bulk bytes, and are a test.ask");
}

TEST(ActorClasses, AX3_WhatAFactoryOrAConstructorThrowsIsAFailure) {
  ActorClasses classes;
  classes.add<Throwing>("throwing");
  classes.add("own", [](const Arguments&) -> std::unique_ptr<Actor> { throw 7; });
  const auto thrown = classes.make("throwing", {});
  ASSERT_FALSE(thrown);
  EXPECT_EQ(thrown.failure().describe(), "faulted: class throwing: no such device (while it was made)");
  const auto number = classes.make("own", {});
  ASSERT_FALSE(number);
  EXPECT_EQ(number.failure().describe(),
            "faulted: class own: an exception that is no std::exception (while it was made)");
}

TEST(ActorClasses, AX1_ArgumentsTravel) {
  const ActorClasses classes = three_classes();
  const auto number = decode_message<Started>(encode_message(Started{Number{9}}));
  ASSERT_TRUE(number);
  EXPECT_EQ(dynamic_cast<const Sized&>(**classes.make("sized", number->arguments)).size, 9U);
  const auto bytes = decode_message<Started>(encode_message(Started{three_bytes()}));
  ASSERT_TRUE(bytes);
  EXPECT_EQ(dynamic_cast<const Filled&>(**classes.make("filled", bytes->arguments)).size, 3U);
}

}  // namespace
}  // namespace troupe::runtime
