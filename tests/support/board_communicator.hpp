#pragma once

#include "actors/collective/communicator.hpp"

#include <ATen/ATen.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace troupe::tests {

/// Where the communicators of one process meet: what NCCL does between GPUs, by copies under a lock.
///
/// Thread-safety: all methods from any thread.
/// Ownership:     owns the copies.
/// Errors:        none.
/// Restart:       not restarted.
class Board final {
public:
  std::string make_id() {
    const std::lock_guard lock(mutex_);
    return "group " + std::to_string(++ids_);
  }
  void enter(const std::string& id, std::uint32_t rank) {
    const std::lock_guard lock(mutex_);
    entered_[id][rank] = true;
  }
  void leave(const std::string& id, std::uint32_t rank) {
    const std::lock_guard lock(mutex_);
    entered_[id].erase(rank);
    ++aborts_;
  }
  std::size_t present(const std::string& id) {
    const std::lock_guard lock(mutex_);
    return entered_[id].size();
  }
  void post(const std::string& key, std::uint32_t rank, const at::Tensor& value) {
    const std::lock_guard lock(mutex_);
    posted_[key][rank] = value.flatten().clone();
  }
  /// All ranks' values in order, once they are there.
  std::vector<at::Tensor> read(const std::string& key, std::uint32_t ranks) {
    const std::lock_guard lock(mutex_);
    std::vector<at::Tensor> values;
    if (posted_[key].size() != ranks) return values;
    for (const auto& [rank, value] : posted_[key]) values.push_back(value);
    return values;
  }
  int ids() {
    const std::lock_guard lock(mutex_);
    return ids_;
  }
  int aborts() {
    const std::lock_guard lock(mutex_);
    return aborts_;
  }

private:
  std::mutex mutex_;
  int ids_ = 0;  // guarded by mutex_, like the rest
  int aborts_ = 0;
  std::map<std::string, std::map<std::uint32_t, bool>> entered_;
  std::map<std::string, std::map<std::uint32_t, at::Tensor>> posted_;
};

/// A rank that meets the others on a Board, which outlives it.
///
/// Thread-safety: single owner thread.
/// Ownership:     borrows the board.
/// Errors:        none.
/// Restart:       connect() again.
class BoardCommunicator final : public actors::Communicator {
public:
  BoardCommunicator(Board& board, std::string device) : board_(board), device_(std::move(device)) {}

  std::string device() const override { return device_; }
  std::string make_id() override { return board_.make_id(); }
  void connect(const actors::CommunicatorRank& rank, const std::string& id) override {
    rank_ = rank;
    id_ = id;
    transfers_ = 0;
    board_.enter(id_, rank_.rank);
  }
  void gather(const at::Tensor& own, const at::Tensor& all) override {
    all_ = all;
    ++transfers_;
    board_.post(key(), rank_.rank, own);
  }
  Progress poll() override {
    if (transfers_ == 0) return board_.present(id_) == rank_.ranks ? Progress::done : Progress::pending;
    const std::vector<at::Tensor> values = board_.read(key(), rank_.ranks);
    if (values.empty()) return Progress::pending;
    all_.view({-1}).copy_(at::cat(values));
    return Progress::done;
  }
  void abort() override {
    if (!id_.empty()) board_.leave(std::exchange(id_, std::string()), rank_.rank);
  }

private:
  [[nodiscard]] std::string key() const { return id_ + "/" + std::to_string(transfers_); }

  Board& board_;
  const std::string device_;
  actors::CommunicatorRank rank_;
  std::string id_;
  int transfers_ = 0;
  at::Tensor all_;
};

}  // namespace troupe::tests
