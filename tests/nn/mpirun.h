// mpirun for tests: on one machine, as root too, with more ranks than cores.
#pragma once

#include <cstdlib>
#include <string>

#include "tools/common/train/mpi_group.h"

namespace kg::test {

// Why a test with several processes cannot run here; empty if it can.
inline std::string no_mpirun() {
  if (!tools::built_with_mpi()) return "this build has no MPI (install libopenmpi-dev and openmpi-bin)";
  if (std::system("mpirun --version 2>/dev/null | grep -q 'Open MPI'") != 0) return "no mpirun of Open MPI";
  return "";
}

// Shared memory by copies: containers often forbid reading another process. MPI itself leaks, so no leak check. Once a
// rank has ended with another code than 0, mpirun kills the rest, shells that note exit codes too: not before 2 s.
inline std::string mpirun(int ranks) {
  return "OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_btl_vader_single_copy_mechanism=none "
         "OMPI_MCA_btl=self,vader ASAN_OPTIONS=detect_leaks=0 mpirun --oversubscribe --bind-to none --mca "
         "odls_base_sigkill_timeout 2 -np " +
         std::to_string(ranks) + " ";
}

}  // namespace kg::test
