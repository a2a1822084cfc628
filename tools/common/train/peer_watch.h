// PeerWatch: notices at once when the process of another rank ends without a word, also in the middle of a computation,
// where MPI looks at nothing. Each rank holds a TCP connection to rank 0. The kernel closes it with the process, before
// the process's parent (mpirun) learns of the death, and keep-alive probes tell of a machine that is gone (6 s).
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

namespace kg::tools {

class PeerWatch {
 public:
  // Called in the watching thread, which then ends. code: with which the rank said that it fails, 0 without a word.
  using OnLost = std::function<void(int rank, int code)>;
  // broadcast(data, bytes) hands rank 0's bytes to all ranks.
  PeerWatch(int rank, int size, bool one_machine, const std::function<void(void*, size_t)>& broadcast, OnLost on_lost);
  // Says goodbye; all ranks have come so far that none needs another.
  ~PeerWatch();
  PeerWatch(const PeerWatch&) = delete;
  PeerWatch& operator=(const PeerWatch&) = delete;

  void say_failed(int code);

 private:
  struct Address;
  struct Note;
  Address listen(bool one_machine);
  void accept_all(uint64_t token);
  void connect_to_first(const Address& address);
  void watch();
  void lost(int rank, int code);
  void send_all(const Note& note, int but = -1) const;

  int rank_, size_, listener_ = -1, wake_ = -1;
  OnLost on_lost_;
  std::atomic<bool> failing_ = false;
  std::vector<int> sockets_;  // rank 0: by rank, -1 at 0; others: one, to rank 0
  std::thread thread_;
};

}  // namespace kg::tools
