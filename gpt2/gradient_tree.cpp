#include "gpt2/gradient_tree.hpp"

#include <algorithm>
#include <bit>
#include <stdexcept>
#include <string>

namespace troupe::gpt2 {
namespace {

std::string range_text(std::uint32_t first, std::uint32_t count) {
  return "[" + std::to_string(first) + ", " + std::to_string(std::uint64_t{first} + count) + ")";
}

}  // namespace

std::uint32_t GradientTree::end_of(Node node) const {
  const std::uint64_t end = (std::uint64_t{node.second} + 1) << node.first;
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(end, total_));
}

void GradientTree::begin(std::uint32_t total, std::uint32_t first, std::uint32_t count) {
  if (std::uint64_t{first} + count > total) {
    throw std::runtime_error("micro-batches " + range_text(first, count) + " do not lie in a step of " +
                             std::to_string(total));
  }
  for (auto& [node, sum] : nodes_) free_.push_back(std::move(sum));
  nodes_.clear();
  total_ = total;
  first_ = first;
  count_ = count;
  added_ = 0;
}

at::Tensor GradientTree::buffer() {
  if (free_.empty()) return at::zeros({floats_}, at::TensorOptions(at::kFloat).device(device_));
  at::Tensor reused = std::move(free_.back());
  free_.pop_back();
  return reused;
}

void GradientTree::add(std::uint32_t index, at::Tensor gradient) {
  if (index < first_ || index - first_ >= count_) {
    throw std::runtime_error("gradient of micro-batch " + std::to_string(index) + " is outside this replica's " +
                             range_text(first_, count_));
  }
  const bool known = std::any_of(nodes_.begin(), nodes_.end(), [&](const auto& entry) {
    return begin_of(entry.first) <= index && index < end_of(entry.first);
  });
  if (known) throw std::runtime_error("gradient of micro-batch " + std::to_string(index) + " was added twice");
  ++added_;
  insert({0, index}, std::move(gradient));
}

void GradientTree::insert(Node node, at::Tensor sum) {
  while (begin_of(node) > 0 || end_of(node) < total_) {
    const Node sibling{node.first, node.second ^ 1U};
    const Node parent{node.first + 1, node.second / 2};
    if (begin_of(sibling) >= total_) {
      node = parent;
      continue;
    }
    const auto found = nodes_.find(sibling);
    if (found == nodes_.end()) break;
    at::Tensor other = std::move(found->second);
    nodes_.erase(found);
    const bool is_left = node.second < sibling.second;
    at::Tensor& left = is_left ? sum : other;
    at::Tensor& right = is_left ? other : sum;
    left.add_(right);
    free_.push_back(right);
    sum = at::Tensor(left);
    node = parent;
  }
  nodes_.emplace(node, std::move(sum));
}

std::vector<GradientBlock> GradientTree::take_blocks() {
  if (added_ != count_) {
    throw std::runtime_error("only " + std::to_string(added_) + " of the gradients of micro-batches " +
                             range_text(first_, count_) + " were added");
  }
  std::vector<GradientBlock> blocks;
  for (auto& [node, sum] : nodes_) {
    blocks.push_back({begin_of(node), end_of(node) - begin_of(node), std::move(sum)});
  }
  nodes_.clear();
  std::sort(blocks.begin(), blocks.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  return blocks;
}

GradientTree::Node GradientTree::node_of(const GradientBlock& block) const {
  const auto level = static_cast<std::uint32_t>(std::bit_width(std::max(block.count, 1U) - 1U));
  const Node node{level, block.first >> level};
  if (block.count == 0 || begin_of(node) != block.first || end_of(node) != block.first + block.count) {
    throw std::runtime_error("gradient block " + range_text(block.first, block.count) + " is no node of the sum over " +
                             std::to_string(total_) + " micro-batches");
  }
  return node;
}

at::Tensor combine_blocks(std::vector<GradientBlock> blocks, std::uint32_t total) {
  std::sort(blocks.begin(), blocks.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::uint32_t reached = 0;
  auto next = blocks.begin();
  while (next != blocks.end() && next->first == reached) reached += (next++)->count;
  if (blocks.empty() || next != blocks.end() || reached != total) {
    throw std::runtime_error("the gradient blocks do not tile the " + std::to_string(total) +
                             " micro-batches of the step: micro-batch " + std::to_string(reached) +
                             " is missing or there twice");
  }
  GradientTree tree(blocks.front().sum.numel(), blocks.front().sum.device());
  tree.begin(total, 0, total);
  for (GradientBlock& block : blocks) tree.insert(tree.node_of(block), std::move(block.sum));
  return std::move(tree.nodes_.begin()->second);
}

}  // namespace troupe::gpt2
