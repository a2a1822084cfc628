// Several ranks as threads of a test: a ProcessGroup in shared memory, without MPI.
#pragma once

#include <barrier>
#include <exception>
#include <functional>
#include <thread>
#include <vector>

#include "nn/distributed.h"

namespace kg::test {

struct SharedRanks {
  explicit SharedRanks(int size) : meeting(size), tensors(size_t(size)) {}
  std::barrier<> meeting;
  std::vector<Tensor> tensors;
};

class ThreadRank : public ProcessGroup {
 public:
  ThreadRank(SharedRanks& all, int rank) : all_(all), rank_(rank) {}
  int rank() const override { return rank_; }
  int size() const override { return int(all_.tensors.size()); }
  int local_size() const override { return size(); }
  void all_reduce_sum(const Tensor& t) override {
    all_.tensors[size_t(rank_)] = t.clone();
    barrier();
    t.fill(0);
    for (const Tensor& other : all_.tensors) add_(t, other);
    barrier();
  }
  void broadcast(const Tensor& t, int root) override {
    all_.tensors[size_t(rank_)] = t.clone();
    barrier();
    t.copy_from(all_.tensors[size_t(root)]);
    barrier();
  }
  void barrier() override { all_.meeting.arrive_and_wait(); }

 private:
  SharedRanks& all_;
  int rank_;
};

// fn(rank) in `size` threads, each with its world(). An Error of one is thrown again; all must throw or none, since the
// others would wait for ever.
inline void run_ranks(int size, const std::function<void(int)>& fn) {
  SharedRanks all(size);
  std::vector<std::exception_ptr> errors(static_cast<size_t>(size));
  std::vector<std::thread> threads;
  for (int r = 0; r < size; ++r)
    threads.emplace_back([&, r] {
      ThreadRank group(all, r);
      const WorldScope scope(group);
      try {
        fn(r);
      } catch (...) {
        errors[size_t(r)] = std::current_exception();
        all.meeting.arrive_and_drop();
      }
    });
  for (std::thread& thread : threads) thread.join();
  for (const auto& error : errors)
    if (error) std::rethrow_exception(error);
}

}  // namespace kg::test
