#include "actors/collective/nccl_collective.hpp"

#include <ATen/ATen.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>
#include <nccl.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace troupe::actors {
namespace {

void require(cudaError_t result, const char* call) {
  if (result == cudaSuccess) return;
  throw std::runtime_error(std::string(call) + ": " + cudaGetErrorString(result));
}

/// A started operation says ncclInProgress: that is no error, poll() asks for its end.
void require(ncclResult_t result, ncclComm_t communicator, const char* call) {
  if (result == ncclSuccess || result == ncclInProgress) return;
  throw std::runtime_error(std::string(call) + ": " + ncclGetErrorString(result) + " (" +
                           ncclGetLastError(communicator) + "); NCCL_DEBUG=WARN in the environment says more");
}

std::string in_words(int version) {
  return std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
         std::to_string(version % 100);
}

/// torch and the toolkit each bring a libnccl.so.2 and the first one loaded serves both: it must be the one whose
/// ncclConfig_t this file was compiled with.
void require_same_version() {
  int version = 0;
  require(ncclGetVersion(&version), nullptr, "ncclGetVersion");
  if (version / 100 == NCCL_VERSION_CODE / 100) return;
  throw std::runtime_error("built against NCCL " + in_words(NCCL_VERSION_CODE) + " but libnccl.so.2 is " +
                           in_words(version) + ": put the folder of the right one first in LD_LIBRARY_PATH");
}

/// Host and bus address, as NCCL itself tells GPUs apart.
std::string name_of(int gpu) {
  std::array<char, 64> bus{};
  require(cudaDeviceGetPCIBusId(bus.data(), bus.size(), gpu), "cudaDeviceGetPCIBusId");
  std::array<char, 256> host{};
  if (gethostname(host.data(), host.size() - 1) != 0) std::strcpy(host.data(), "localhost");
  return std::string(host.data()) + " GPU " + bus.data();
}

/// Thread-safety: single owner thread.
/// Ownership:     owns the ncclComm_t; abort() and the destructor end it by ncclCommAbort and never by ncclCommDestroy,
///                which waits for the other ranks.
/// Errors:        std::runtime_error with NCCL's words; nothing that was under way is defined then.
/// Restart:       connect() again, with a fresh id.
class NcclCommunicator final : public Communicator {
public:
  explicit NcclCommunicator(int gpu) : gpu_(static_cast<c10::DeviceIndex>(gpu)), device_(name_of(gpu)) {
    require_same_version();
  }
  ~NcclCommunicator() override { abort(); }

  std::string device() const override { return device_; }

  std::string make_id() override {
    ncclUniqueId id;
    require(ncclGetUniqueId(&id), nullptr, "ncclGetUniqueId");
    return std::string(id.internal, sizeof id.internal);
  }

  void connect(const CommunicatorRank& rank, const std::string& id) override {
    abort();
    ncclUniqueId unique;
    if (id.size() != sizeof unique.internal) {
      throw std::runtime_error("a communicator id of " + std::to_string(id.size()) + " bytes, not " +
                               std::to_string(sizeof unique.internal) + ": the members run different programs");
    }
    std::memcpy(unique.internal, id.data(), id.size());
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    const c10::cuda::CUDAGuard guard(gpu_);
    require(ncclCommInitRankConfig(&communicator_, static_cast<int>(rank.ranks), unique, static_cast<int>(rank.rank),
                                   &config),
            nullptr, "ncclCommInitRankConfig");
    work_ = Work::connecting;
  }

  void gather(const at::Tensor& own, const at::Tensor& all) override {
    const c10::cuda::CUDAGuard guard(gpu_);
    require(ncclAllGather(own.const_data_ptr(), all.mutable_data_ptr(), static_cast<std::size_t>(own.numel()),
                          ncclFloat32, communicator_, stream()),
            communicator_, "ncclAllGather");
    work_ = Work::gathering;
  }

  Progress poll() override {
    ncclResult_t state = ncclSuccess;
    require(ncclCommGetAsyncError(communicator_, &state), communicator_, "ncclCommGetAsyncError");
    require(state, communicator_, work_ == Work::connecting ? "connecting by NCCL" : "gathering by NCCL");
    if (state == ncclInProgress) return Progress::pending;
    if (work_ == Work::connecting) return Progress::done;
    // The gather is queued now; it has run when the stream is empty: this turn is the only one that fills it.
    const c10::cuda::CUDAGuard guard(gpu_);
    const cudaError_t queue = cudaStreamQuery(stream());
    if (queue == cudaErrorNotReady) {
      (void)cudaGetLastError();  // it is an answer, not a failure; torch's next check must not find it
      return Progress::pending;
    }
    require(queue, "cudaStreamQuery");
    return Progress::done;
  }

  void abort() override {
    if (communicator_ == nullptr) return;
    (void)ncclCommAbort(std::exchange(communicator_, nullptr));  // nothing is left to do about a failed abort
  }

private:
  enum class Work { connecting, gathering };

  [[nodiscard]] cudaStream_t stream() const { return c10::cuda::getCurrentCUDAStream(gpu_).stream(); }

  const c10::DeviceIndex gpu_;
  const std::string device_;
  ncclComm_t communicator_ = nullptr;
  Work work_ = Work::connecting;
};

}  // namespace

bool has_nccl() {
  return true;
}

std::unique_ptr<Communicator> make_nccl_communicator(int gpu) {
  return std::make_unique<NcclCommunicator>(gpu);
}

}  // namespace troupe::actors
