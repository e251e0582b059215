#pragma once

#include "gpt2/layers/torch.hpp"

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

namespace troupe::gpt2 {

/// Sum of the flat gradients of micro-batches [first, first + count).
struct GradientBlock {
  std::uint32_t first;
  std::uint32_t count;
  at::Tensor sum;
};

/// Sums the flat gradients of a step in one fixed balanced binary tree over the global micro-batch indices [0, total):
/// node (k, j) covers [j * 2^k, min((j + 1) * 2^k, total)) and is left + right; a node without a right half is its
/// left. A replica owns a contiguous range and ends with the largest nodes inside it.
///
/// GT-1  The bits of the whole sum do not depend on how [0, total) was cut into ranges.
/// GT-2  They do not depend on the order of add either.
/// GT-3  An index outside the range, added twice, or missing at the end, is an error that names it.
class GradientTree {
public:
  /// Tensors of `floats` floats on `device`.
  GradientTree(std::int64_t floats, c10::Device device) : floats_(floats), device_(device) {}

  /// Starts a step in which this replica owns [first, first + count) of `total`. Drops what was there.
  void begin(std::uint32_t total, std::uint32_t first, std::uint32_t count);

  /// A tensor to write the next gradient to: zero where the caller never writes, and reused between micro-batches.
  at::Tensor buffer();

  /// Takes over `gradient`, which later sums may overwrite.
  void add(std::uint32_t index, at::Tensor gradient);

  /// The range's largest nodes in ascending order; the tree is empty afterwards.
  std::vector<GradientBlock> take_blocks();

  std::uint32_t added() const { return added_; }
  std::int64_t floats() const { return floats_; }

private:
  using Node = std::pair<std::uint32_t, std::uint32_t>;  // (k, j)

  friend at::Tensor combine_blocks(std::vector<GradientBlock> blocks, std::uint32_t total);

  std::uint32_t begin_of(Node node) const { return node.second << node.first; }
  std::uint32_t end_of(Node node) const;
  Node node_of(const GradientBlock& block) const;
  void insert(Node node, at::Tensor sum);

  std::int64_t floats_;
  c10::Device device_;
  std::uint32_t total_ = 0;
  std::uint32_t first_ = 0;
  std::uint32_t count_ = 0;
  std::uint32_t added_ = 0;
  std::map<Node, at::Tensor> nodes_;
  std::vector<at::Tensor> free_;
};

/// The whole sum from the blocks of all replicas, in any order; may overwrite the blocks' tensors. Throws
/// std::runtime_error when the blocks do not tile [0, total) as take_blocks cuts it.
at::Tensor combine_blocks(std::vector<GradientBlock> blocks, std::uint32_t total);

}  // namespace troupe::gpt2
