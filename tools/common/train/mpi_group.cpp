// all_reduce_sum of a large tensor is a transposition and a gathering: rank j receives piece j of all ranks, sums it in
// the order of the ranks, and hands the sum to all. Each rank sends 2 (N - 1) / N of the tensor, the least there is,
// and the order of the sum does not hang on MPI's choice of an algorithm.
#include "tools/common/train/mpi_group.h"

#include <cstdlib>

#include "tensor/device_group.h"
#include "tools/common/train/peer_watch.h"

#ifdef KG_MPI
#define OMPI_SKIP_MPICXX 1
#include <mpi.h>

#include <chrono>
#include <cstdio>
#include <thread>
#endif

namespace kg::tools {

bool launched_together() {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"})
    if (const char* size = std::getenv(name)) return std::atoi(size) > 1;
  return std::getenv("PMIX_RANK") != nullptr;  // srun: how many, MPI will tell
}

#ifndef KG_MPI

bool built_with_mpi() { return false; }

std::unique_ptr<JoinedGroup> join_processes(std::function<void(int, int)>) {
  fail(ErrorCode::usage,
       "several processes were started together, but this build has no MPI: install libopenmpi-dev and openmpi-bin and "
       "build again, or start one process");
}

#else

bool built_with_mpi() { return true; }

namespace {

using Clock = std::chrono::steady_clock;

void check_mpi(int code, const char* what) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  MPI_Error_string(code, text, &length);
  fail(ErrorCode::peer, "[parallel] ", what, " failed: ", text, "; another process is gone");
}
bool done(MPI_Request* request, const char* what) {
  int flag = 0;
  check_mpi(MPI_Test(request, &flag, MPI_STATUS_IGNORE), what);
  return flag != 0;
}
// Answers at once for a while, then leaves the core to others: a rank may wait for long, while rank 0 evaluates, and
// there may be more ranks than cores.
void wait(MPI_Request* request, const char* what) {
  const auto begin = Clock::now();
  while (!done(request, what)) {
    const auto waited = Clock::now() - begin;
    if (waited > std::chrono::microseconds(200))
      std::this_thread::sleep_for(std::chrono::microseconds(waited < std::chrono::seconds(1) ? 20 : 500));
  }
}

class MpiGroup : public JoinedGroup {
 public:
  explicit MpiGroup(std::function<void(int, int)> on_lost) {
    int provided = 0;
    check_mpi(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided), "MPI_Init");
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    MPI_Comm_size(MPI_COMM_WORLD, &size_);
    MPI_Comm local;
    check_mpi(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &local), "MPI_Comm_split");
    MPI_Comm_rank(local, &local_rank_);
    MPI_Comm_size(local, &local_size_);
    MPI_Comm_free(&local);
    check_mpi(MPI_Comm_dup(MPI_COMM_WORLD, &failures_), "MPI_Comm_dup");
    const auto share = [](void* data, size_t bytes) {
      check_mpi(MPI_Bcast(data, int(bytes), MPI_BYTE, 0, MPI_COMM_WORLD), "MPI_Bcast");
    };
    int one_machine = local_size_ == size_;
    share(&one_machine, sizeof(one_machine));
    watch_.emplace(rank_, size_, one_machine, share, std::move(on_lost));
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  int local_rank() const override { return local_rank_; }
  int local_size() const override { return local_size_; }
  void all_reduce_sum(const Tensor& t) override;
  bool sums_on_device() const override { return gpus_ != nullptr; }
  void broadcast(const Tensor& t, int root) override {
    if (t.device() != Device::cpu) {
      if (gpus_) {  // without the host: the sum with zeros
        if (rank_ != root) t.fill(0);
        return gpus_->all_reduce_sum(t);
      }
      const Tensor host = t.to(Device::cpu);
      broadcast(host, root);
      return t.copy_from(host);
    }
    const MPI_Datatype type = type_of(t, "broadcast");
    MPI_Request request;
    check_mpi(MPI_Ibcast(t.raw(), int(t.numel()), type, root, MPI_COMM_WORLD, &request), "broadcast");
    wait(&request, "broadcast");
  }
  void barrier() override {
    MPI_Request request;
    check_mpi(MPI_Ibarrier(MPI_COMM_WORLD, &request), "barrier");
    wait(&request, "barrier");
  }

  // MPI_Finalize only at a good end: it asks mpirun, which does not answer once it has begun to end the run, and a
  // second later kills what still waits.
  void leave(int code) override {
    barrier();
    gpus_.reset();
    if (code == 0) MPI_Finalize();
    watch_.reset();
  }
  bool leave_failed(int code) override {
    static_cast<void>(gpus_.release());  // NCCL would wait for the others
    const int mine[2] = {code, -code};
    int most[2] = {0, 0};
    MPI_Request request;
    MPI_Iallreduce(mine, most, 2, MPI_INT, MPI_MAX, failures_, &request);
    const auto end = Clock::now() + std::chrono::seconds(2);
    while (!done(&request, "failing")) {
      if (Clock::now() > end) {
        watch_->say_failed(code);
        return false;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    watch_.reset();
    return most[0] == -most[1];
  }

 private:
  static MPI_Datatype type_of(const Tensor& t, const char* what) {
    CHECK(t.device() == Device::cpu && t.is_contiguous() && (t.dtype() == Dtype::f32 || t.dtype() == Dtype::f64) &&
              t.numel() < int64_t{1} << 31,
          "[parallel] ", what, " needs a contiguous f32 or f64 tensor on the CPU, got ", name_of(t.dtype()), " ",
          t.shape());
    return t.dtype() == Dtype::f32 ? MPI_FLOAT : MPI_DOUBLE;
  }
  void join_gpus();
  void sum_small(const Tensor& t, MPI_Datatype type);
  void sum_large(const Tensor& t, MPI_Datatype type);

  int rank_ = 0, size_ = 1, local_rank_ = 0, local_size_ = 1;
  MPI_Comm failures_{};
  bool gpus_asked_ = false;
  std::unique_ptr<DeviceGroup> gpus_;
  std::optional<PeerWatch> watch_;
};

void MpiGroup::all_reduce_sum(const Tensor& tensor) {
  constexpr int64_t kSmall = 4096;
  if (tensor.device() != Device::cpu) {
    if (!gpus_asked_) join_gpus();
    if (gpus_) return gpus_->all_reduce_sum(tensor);
    const Tensor host = tensor.to(Device::cpu);
    all_reduce_sum(host);
    return tensor.copy_from(host);
  }
  const MPI_Datatype type = type_of(tensor, "all_reduce_sum");
  const Tensor t = tensor.reshape({tensor.numel()});
  if (t.numel() <= kSmall)
    sum_small(t, type);
  else
    sum_large(t, type);
}

// All ranks' GPUs, or none: then sums go by way of the host, which rank 0 says.
void MpiGroup::join_gpus() {
  gpus_asked_ = true;
  std::string problem = DeviceGroup::problem();
  const auto all_can = [&] {
    const Tensor failures = Tensor::scalar(double(!problem.empty()), Dtype::f64).reshape({1});
    all_reduce_sum(failures);
    return failures.item() == 0;
  };
  bool can = all_can();
  if (can) {
    DeviceGroup::Id id{};
    if (rank_ == 0) id = DeviceGroup::make_id();
    check_mpi(MPI_Bcast(id.data(), int(id.size()), MPI_BYTE, 0, MPI_COMM_WORLD), "MPI_Bcast");
    try {
      gpus_ = std::make_unique<DeviceGroup>(id, rank_, size_);
    } catch (const Error& error) {
      problem = error.what();
    }
    can = all_can();
  }
  if (can) return;
  gpus_.reset();
  if (rank_ == 0)
    std::fprintf(stderr, "sums over the GPUs go by way of the host: %s\n",
                 problem.empty() ? "another rank cannot use NCCL" : problem.c_str());
}

// One message instead of two: every rank receives all and sums it itself.
void MpiGroup::sum_small(const Tensor& t, MPI_Datatype type) {
  const int n = int(t.numel());
  const Tensor all = Tensor::empty({size_, n}, t.dtype());
  MPI_Request request;
  check_mpi(MPI_Iallgather(t.raw(), n, type, all.raw(), n, type, MPI_COMM_WORLD, &request), "all_reduce_sum");
  wait(&request, "all_reduce_sum");
  t.copy_from(all.select(0, 0));
  for (int r = 1; r < size_; ++r) add_(t, all.select(0, r));
}

void MpiGroup::sum_large(const Tensor& t, MPI_Datatype type) {
  std::vector<int> begin, count;  // of each rank's piece
  for (int64_t r = 0; r < size_; ++r) {
    begin.push_back(int(t.numel() * r / size_));
    count.push_back(int(t.numel() * (r + 1) / size_) - begin.back());
  }
  const int mine = count[size_t(rank_)];
  const Tensor received = Tensor::empty({size_, mine}, t.dtype());
  const std::vector<int> received_count(size_t(size_), mine);
  std::vector<int> received_begin;
  for (int r = 0; r < size_; ++r) received_begin.push_back(r * mine);

  MPI_Request request;
  check_mpi(MPI_Ialltoallv(t.raw(), count.data(), begin.data(), type, received.raw(), received_count.data(),
                           received_begin.data(), type, MPI_COMM_WORLD, &request),
            "all_reduce_sum");
  wait(&request, "all_reduce_sum");
  const Tensor sum = t.slice(0, begin[size_t(rank_)], begin[size_t(rank_)] + mine);
  sum.copy_from(received.select(0, 0));
  for (int r = 1; r < size_; ++r) add_(sum, received.select(0, r));
  check_mpi(MPI_Iallgatherv(MPI_IN_PLACE, 0, type, t.raw(), count.data(), begin.data(), type, MPI_COMM_WORLD, &request),
            "all_reduce_sum");
  wait(&request, "all_reduce_sum");
}

}  // namespace

std::unique_ptr<JoinedGroup> join_processes(std::function<void(int, int)> on_lost) {
  return std::make_unique<MpiGroup>(std::move(on_lost));
}

#endif

}  // namespace kg::tools
