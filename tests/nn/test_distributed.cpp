// What several ranks make together equals what one process makes of the whole batch; one rank changes no bit; the death
// of a process is noticed; sums over MPI are taken in the order of the ranks.
#include "nn/distributed.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <future>

#include "nn/linear.h"
#include "nn/losses.h"
#include "nn/optim.h"
#include "tests/nn/mpirun.h"
#include "tests/nn/ranks.h"
#include "tools/common/train/mpi_group.h"
#include "tools/common/train/peer_watch.h"

namespace kg {
using namespace tools;
}

namespace kg {
namespace {

using test::run_ranks;

TEST(Parts, FirstRanksTakeOneMore) {
  std::vector<std::vector<int64_t>> parts(3);
  run_ranks(3, [&](int r) {
    const Part part = part_of(8);
    parts[size_t(r)] = {part.begin, part.end};
    EXPECT_EQ(part.total, 8);
    EXPECT_EQ(part.share(), double(part.end - part.begin) / 8);
    EXPECT_THROW(part_of(2), Error);
  });
  EXPECT_EQ(parts, (std::vector<std::vector<int64_t>>{{0, 3}, {3, 6}, {6, 8}}));
  const Part alone = part_of(8);
  EXPECT_EQ(alone.begin, 0);
  EXPECT_EQ(alone.end, 8);
  EXPECT_EQ(alone.share(), 1);
}

TEST(Ranks, SumsMeansAndFlags) {
  run_ranks(3, [](int r) {
    EXPECT_EQ(sum_over_ranks({1.0 + r, -2}), (std::vector<double>{6, -6}));
    // (1 * 10 + 2 * 20 + 3 * 40) / 6
    EXPECT_EQ(mean_over_ranks({r == 2 ? 40.0 : 10.0 * (r + 1)}, r + 1)[0], 170.0 / 6);
    EXPECT_TRUE(any_rank(r == 1));
    EXPECT_FALSE(any_rank(false));
  });
  EXPECT_EQ(mean_over_ranks({0.1, 7}, 0.3), (std::vector<double>{0.1, 7}));
  EXPECT_TRUE(any_rank(true));
}

TEST(Ranks, FirstRowsInTheOrderOfTheRanks) {
  // Ranks hold 1, 2 and 3 rows: 10 | 20 21 | 30 31 32.
  const std::vector<double> all = {10, 20, 21, 30, 31, 32};
  for (int64_t limit : {1, 2, 4, 6, 9})
    run_ranks(3, [&](int r) {
      std::vector<float> own;
      for (int i = 0; i <= r; ++i) own.push_back(float(10 * (r + 1) + i));
      const Tensor rows = first_rows_over_ranks(Tensor::from(own, {r + 1, 1}), limit);
      EXPECT_EQ(rows.to_vector(), std::vector<double>(all.begin(), all.begin() + std::min<int64_t>(limit, 6)));
    });
  const Tensor x = Tensor::ones({5, 2});
  EXPECT_EQ(first_rows_over_ranks(x, 3).storage(), x.storage());  // alone: a view
}

TEST(Ranks, AStateThatDiffersIsAnError) {
  run_ranks(2, [](int) { check_alike({3, 0.5}); });
  run_ranks(2, [](int r) {
    if (r == 0)
      check_alike({3, 0.5});
    else
      EXPECT_THROW(check_alike({3, 0.25}), Error);
  });
}

struct Net : Module {
  Net() { reg("a", a), reg("b", b); }
  Var operator()(const Tensor& x) const { return b(gelu(a(x))); }
  Linear a{4, 7}, b{7, 3};
};
struct Trained {
  std::vector<double> losses, weights;
};
// Ten clipped steps on a batch of five.
Trained train() {
  default_generator() = {5, 0};
  Net net;
  AdamW adam(net, {.lr = 0.01});
  const Part part = part_of(5);
  Trained result;
  for (uint64_t i = 0; i < 10; ++i) {
    const Tensor x = Tensor::empty({5, 4}), y = Tensor::empty({5, 3});
    fill_normal(x, 0, 1, {1, i}), fill_normal(y, 0, 1, {2, i});
    adam.zero_grad();
    const Var loss = mse_loss(net(x.slice(0, part.begin, part.end)), Var(y.slice(0, part.begin, part.end)));
    result.losses.push_back(mean_over_ranks({loss.item()}, part.share())[0]);
    backward_over_ranks(loss, part, adam.parameters());
    adam.clip_grad_norm(0.5);
    adam.step();
  }
  result.weights = adam.parameters().values().to_vector();
  return result;
}

TEST(Ranks, TrainLikeOneProcess) {
  const Trained alone = train();
  for (int size : {2, 3, 5}) {
    std::vector<Trained> by_rank(static_cast<size_t>(size));
    run_ranks(size, [&](int r) { by_rank[size_t(r)] = train(); });
    for (const Trained& other : by_rank) {
      EXPECT_EQ(other.weights, by_rank[0].weights);
      EXPECT_EQ(other.losses, by_rank[0].losses);
    }
    for (size_t i = 0; i < alone.losses.size(); ++i) EXPECT_NEAR(by_rank[0].losses[i], alone.losses[i], 1e-5) << i;
    for (size_t i = 0; i < alone.weights.size(); ++i) EXPECT_NEAR(by_rank[0].weights[i], alone.weights[i], 1e-5) << i;
  }
}

// Each rank reaches another layer; what lies in its buffer from before counts for nothing.
TEST(Ranks, WhatOneRankDoesNotReachIsAnotherRanks) {
  const Tensor x = Tensor::empty({5, 4});
  fill_normal(x, 0, 1, {1, 0});
  const auto gradient = [&](std::vector<int> layers) {
    default_generator() = {5, 0};
    Linear first(4, 3), second(4, 2), third(4, 2);
    NamedParameters all;
    for (Linear* layer : {&first, &second, &third})
      for (auto& parameter : layer->named_parameters()) all.push_back(parameter);
    AdamW adam({ParameterGroup{all}}, {});
    for (auto& [name, parameter] : all) parameter->grad().fill(1e6);
    adam.zero_grad();
    for (int layer : layers) backward(sum(square(layer == 0 ? first(Var(x)) : second(Var(x)))));
    world().all_reduce_sum(adam.parameters().gradients());
    return adam.parameters().gradients().to_vector();
  };
  const std::vector<double> alone = gradient({0, 1});
  run_ranks(2, [&](int r) { EXPECT_EQ(gradient({r}), alone); });
}

TEST(Ranks, OneChangesNoBit) {
  const auto gradient = [](bool plain) {
    default_generator() = {5, 0};
    Net net;
    AdamW adam(net, {});
    const Tensor x = Tensor::empty({5, 4});
    fill_normal(x, 0, 1, {1, 0});
    const Var loss = mean(square(net(x)));
    plain ? backward(loss) : backward_over_ranks(loss, part_of(5), adam.parameters());
    return adam.parameters().gradients().to_vector();
  };
  EXPECT_EQ(gradient(false), gradient(true));
}

// ---- PeerWatch: rank 0 here, rank 1 in a child process that does `act` and then waits to be killed.
struct Seen {
  int rank = -1, code = -1;
};
Seen watch_child(const std::function<void(PeerWatch&)>& act, bool kill, bool expect) {
  int address[2], ready[2];
  EXPECT_EQ(::pipe(address), 0);
  EXPECT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    auto watch = std::make_unique<PeerWatch>(
        1, 2, true,
        [&](void* data, size_t bytes) {
          if (::read(address[0], data, bytes) != ssize_t(bytes)) ::_exit(1);
        },
        [](int, int) {});
    act(*watch);
    if (!kill) watch.reset();
    if (::write(ready[1], "r", 1) != 1) ::_exit(1);
    if (kill) ::pause();
    ::_exit(0);
  }
  std::promise<Seen> promise;
  std::future<Seen> seen = promise.get_future();
  Seen result;
  {
    PeerWatch watch(
        0, 2, true, [&](void* data, size_t bytes) { EXPECT_EQ(::write(address[1], data, bytes), ssize_t(bytes)); },
        [&](int rank, int code) {
          promise.set_value({rank, code});
        });
    char r;
    EXPECT_EQ(::read(ready[0], &r, 1), 1);
    if (kill) ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    if (seen.wait_for(expect ? std::chrono::seconds(10) : std::chrono::seconds(1)) == std::future_status::ready)
      result = seen.get();
  }
  for (int fd : {address[0], address[1], ready[0], ready[1]}) ::close(fd);
  return result;
}

TEST(PeerWatch, TellsOfAKilledProcess) {
  const Seen seen = watch_child([](PeerWatch&) {}, true, true);
  EXPECT_EQ(seen.rank, 1);
  EXPECT_EQ(seen.code, 0);
}
TEST(PeerWatch, TellsTheExitCodeOfOneThatFails) {
  const Seen seen = watch_child([](PeerWatch& watch) { watch.say_failed(3); }, true, true);
  EXPECT_EQ(seen.rank, 1);
  EXPECT_EQ(seen.code, 3);
}
TEST(PeerWatch, IsSilentAboutOneThatSaysGoodbye) {
  EXPECT_EQ(watch_child([](PeerWatch&) {}, false, false).rank, -1);
}

// ---- MPI: the test below is run by the next one, by mpirun, as a rank.
TEST(Mpi, AsRank) {
  if (!std::getenv("KG_TEST_RANK")) GTEST_SKIP() << "it is a rank of SumsInTheOrderOfTheRanks, which starts three";
  const auto group = join_processes([](int, int) { ::_exit(7); });
  const int rank = group->rank(), size = group->size();
  EXPECT_EQ(size, 3);
  EXPECT_EQ(group->local_size(), 3);
  for (Dtype dtype : {Dtype::f32, Dtype::f64})
    for (int64_t n : {1, 2, 4096, 4097, 100001}) {
      const auto of = [&](int r) {
        const Tensor t = Tensor::empty({n}, dtype);
        fill_normal(t, 0, 1, {9, uint64_t(r)});
        return t;
      };
      const Tensor sum = of(rank), expected = of(0);
      for (int r = 1; r < size; ++r) add_(expected, of(r));
      group->all_reduce_sum(sum);
      EXPECT_TRUE(sum.to_vector() == expected.to_vector()) << name_of(dtype) << " " << n;
      const Tensor sent = of(rank);
      group->broadcast(sent, 1);
      EXPECT_TRUE(sent.to_vector() == of(1).to_vector()) << name_of(dtype) << " " << n;
    }
  EXPECT_THROW(group->all_reduce_sum(Tensor::zeros({3}, Dtype::i32)), Error);
  EXPECT_THROW(group->all_reduce_sum(Tensor::zeros({3, 4}).transpose(0, 1)), Error);
  group->leave(HasFailure());
}

TEST(Mpi, SumsInTheOrderOfTheRanks) {
  if (const std::string reason = test::no_mpirun(); !reason.empty()) GTEST_SKIP() << reason;
  const std::string self = std::string(KG_BIN_DIR) + "/test_nn";
  const std::string command =
      test::mpirun(3) + "env KG_TEST_RANK=1 " + self + " --gtest_filter=Mpi.AsRank > /dev/null 2>&1";
  EXPECT_EQ(std::system(command.c_str()), 0) << command;
}

TEST(Mpi, ALoneProcessTouchesNoneAndABuildWithoutItSaysSo) {
  EXPECT_FALSE(launched_together());
  if (built_with_mpi()) return;
  try {
    join_processes([](int, int) {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::usage);
    EXPECT_NE(std::string(error.what()).find("libopenmpi-dev"), std::string::npos);
  }
}

}  // namespace
}  // namespace kg
