// Shows: a group of actors in two named dimensions, a slice of it, and a question to all of a slice at once: words are
//        counted by mappers, and the counts added up as they come back.
// Run:   build/release/examples/08_map_reduce
#include "runtime/gather.hpp"
#include "runtime/group/group.hpp"
#include "runtime/node.hpp"
#include "runtime/task/asking.hpp"

#include <iostream>
#include <map>
#include <sstream>

using namespace troupe::runtime;
using namespace std::chrono_literals;

namespace {

/// Words and how often they come.
using Counts = std::map<std::string, int>;

struct CountWords {
  static constexpr std::string_view kName = "mapper.count_words";
  template <class Archive>
  void serialize(Archive&) {}
};

struct Counted {
  static constexpr std::string_view kName = "mapper.counted";
  Counts counts;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(counts);
  }
};

struct Reduce {
  static constexpr std::string_view kName = "reducer.reduce";
  Group mappers;  // a group travels in a message like any other value
  template <class Archive>
  void serialize(Archive& archive) {
    archive(mappers);
  }
};

/// Has one page of a book.
class Mapper final : public Actor {
public:
  explicit Mapper(std::string page) : page_(std::move(page)) {}
  Behavior behavior() override { return {on(this, &Mapper::count)}; }

private:
  void count(const CountWords&, Context& context) {
    Counted counted;
    std::istringstream words(page_);
    for (std::string word; words >> word;) ++counted.counts[word];
    context.reply(counted);
  }
  const std::string page_;
};

class Reducer final : public Actor {
public:
  Behavior behavior() override { return {on(this, &Reducer::reduce)}; }

private:
  Task<Counted> reduce(const Reduce& question, Context& context) {
    const CountWords ask;
    const auto outcomes = co_await all(ask_each<Counted>(context, question.mappers.actors(), ask, 5s));
    Counted sum;
    for (const Result<Counted>& outcome : outcomes) {
      for (const auto& [word, times] : outcome.value().counts) sum.counts[word] += times;
    }
    co_return sum;
  }
};

std::string in_words(const Counts& counts) {
  std::string text;
  for (const auto& [word, times] : counts) text += (text.empty() ? "" : ", ") + word + " " + std::to_string(times);
  return text;
}

}  // namespace

int main() {
  const std::vector<std::vector<std::string>> books{{"the sea the sand", "the wind"}, {"a hill", "a hill a house"}};
  Node node({}, make_local_parts(2));
  node.start().value();
  const auto name = [](const std::vector<std::uint32_t>& at) {
    return ActorId{"mapper/b" + std::to_string(at[0]) + ".p" + std::to_string(at[1]), 0};
  };
  const Group mappers = Group::make("mappers", {{"book", 0, 1}, {"page", 0, 1}}, name).value();
  for (std::size_t i = 0; i < mappers.size(); ++i) {
    const std::vector<std::uint32_t> at = mappers.indices_of(i);
    node.spawn(mappers.actors()[i].name, std::make_unique<Mapper>(books[at[0]][at[1]])).value();
  }
  node.spawn("reducer", std::make_unique<Reducer>()).value();

  const auto reduce = [&node](const Group& group) {
    const Counted sum = node.request<Counted>("reducer", Reduce{group}, 10s).value();
    std::cout << group.describe() << ": " << in_words(sum.counts) << "\n";
  };
  reduce(mappers.slice({{"book", 0}}).value());
  reduce(mappers.select("mappers(page=1)").value());
  reduce(mappers);
}
