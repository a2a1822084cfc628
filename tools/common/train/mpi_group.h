// The processes that mpirun (or another launcher) has started, as a ProcessGroup over MPI. Built where CMake finds MPI.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "nn/distributed.h"

namespace kg::tools {

// A group whose members can end in more than one way.
class JoinedGroup : public ProcessGroup {
 public:
  virtual void leave(int code) = 0;  // at the end, by all ranks; they end within moments of each other
  // By a rank that fails. True when all ranks do within 2 seconds, with the same code; they have then left. Otherwise
  // the others are told, and the process is to end.
  virtual bool leave_failed(int code) = 0;
};

bool built_with_mpi();
// Were several processes started together? From the launcher's environment; MPI is not touched in a lone process.
bool launched_together();
// on_lost(rank, code): in a thread of its own, when another rank is gone; code 0 without a word, else its exit code.
// It should end the process: mpirun kills what is left a second later. An Error (usage) in a build without MPI.
std::unique_ptr<JoinedGroup> join_processes(std::function<void(int rank, int code)> on_lost);

}  // namespace kg::tools
