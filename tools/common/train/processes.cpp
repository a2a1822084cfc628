#include "tools/common/train/processes.h"

#include <signal.h>
#include <unistd.h>

#include <cstdio>

#include "tensor/device_group.h"
#include "tools/common/cli/cli.h"
#include "tools/common/train/mpi_group.h"

namespace kg::tools {
namespace {

// Runs beside a computation that may take long, with a second left before mpirun kills this process too. Files under
// their final names are whole at any moment.
[[noreturn]] void end_without(int rank, int code) {
  std::string text = "error: rank " + std::to_string(rank) + " is gone";
  text += code == 0 ? "; this process ends too. Go on from the last checkpoint with --resume.\n"
                    : ": it failed with exit code " + std::to_string(code) + "; see its message\n";
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
  ::_exit(int(ErrorCode::peer));
}

int run_as_rank(JoinedGroup& group, const std::function<int()>& body) {
  try {
    const int code = body();
    group.leave(code);
    return code;
  } catch (const Error& error) {
    const bool by_all = group.leave_failed(int(error.code));
    if (!by_all) throw Error(error.code, "rank " + std::to_string(group.rank()) + ": " + error.what());
    if (group.rank() == 0) throw;
    return int(error.code);
  } catch (const std::bad_alloc&) {
    group.leave_failed(int(ErrorCode::memory));
    throw;
  } catch (const std::exception&) {
    group.leave_failed(int(ErrorCode::runtime));
    throw;
  }
}

}  // namespace

int run_parallel_main(int argc, char** argv, const std::function<int(int, char**)>& body) {
  return run_guarded(argc, argv, [&](int count, char** arguments) {
    if (!launched_together()) return body(count, arguments);
    // mpirun sends it to all as soon as one ends; the training loop, which heeds it,
    // puts its own handler in this place.
    ::signal(SIGTERM, SIG_IGN);
    const std::unique_ptr<JoinedGroup> group = join_processes(end_without);
    const WorldScope scope(*group);
    choose_cuda_device(group->local_rank());  // each process of a machine its own, in turn
    if (group->rank() != 0) CHECK(std::freopen("/dev/null", "w", stdout), "cannot open /dev/null");
    return run_as_rank(*group, [&] { return body(count, arguments); });
  });
}

}  // namespace kg::tools
