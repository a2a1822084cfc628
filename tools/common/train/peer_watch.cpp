// Sockets and the thread that waits for them to close.
#include "tools/common/train/peer_watch.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <random>

#include "tensor/error.h"

namespace kg::tools {

// Where rank 0 listens; the token keeps strangers out.
struct PeerWatch::Address {
  static constexpr int kMost = 16;
  uint64_t token;
  uint32_t port, count, ip[kMost];  // network order
};
struct PeerWatch::Note {
  enum Kind : int32_t { hello, failed, gone, bye } kind;
  int32_t rank, code;
  uint64_t token;
};

namespace {

constexpr int kSeconds = 30;  // that the ranks may take to find each other

[[noreturn]] void fail_system(const char* what) {
  fail(ErrorCode::peer, "[parallel] cannot ", what, ": ", std::strerror(errno));
}
void check_system(bool ok, const char* what) {
  if (!ok) fail_system(what);
}

void set(int fd, int level, int option, int value) { ::setsockopt(fd, level, option, &value, sizeof(value)); }
void prepare(int fd) {
  set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 2);
  set(fd, IPPROTO_TCP, TCP_KEEPINTVL, 1);
  set(fd, IPPROTO_TCP, TCP_KEEPCNT, 4);
}
void set_timeout(int fd, int option, int seconds) {
  const timeval time{seconds, 0};
  ::setsockopt(fd, SOL_SOCKET, option, &time, sizeof(time));
}

template <class Note>
bool receive(int fd, Note& note) {
  ssize_t got;
  do got = ::recv(fd, &note, sizeof(note), MSG_WAITALL);
  while (got < 0 && errno == EINTR);
  return got == ssize_t(sizeof(note));
}

}  // namespace

PeerWatch::PeerWatch(int rank, int size, bool one_machine, const std::function<void(void*, size_t)>& broadcast,
                     OnLost on_lost)
    : rank_(rank), size_(size), on_lost_(std::move(on_lost)) {
  Address address{};
  if (rank == 0) address = listen(one_machine);
  broadcast(&address, sizeof(address));
  if (rank == 0)
    accept_all(address.token);
  else
    connect_to_first(address);
  check_system((wake_ = ::eventfd(0, EFD_CLOEXEC)) >= 0, "make an event");
  // Signals are for the main thread.
  sigset_t all, before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { watch(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

PeerWatch::~PeerWatch() {
  send_all({Note::bye, rank_, 0, 0});
  ::eventfd_write(wake_, 1);
  if (thread_.joinable()) thread_.join();
  for (int fd : sockets_)
    if (fd >= 0) ::close(fd);
  ::close(wake_);
}

PeerWatch::Address PeerWatch::listen(bool one_machine) {
  Address address{};
  std::random_device random;
  address.token = uint64_t(random()) << 32 | random();
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(one_machine ? INADDR_LOOPBACK : INADDR_ANY);
  socklen_t length = sizeof(name);
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  check_system(listener_ >= 0 && ::bind(listener_, reinterpret_cast<sockaddr*>(&name), length) == 0 &&
                   ::listen(listener_, size_) == 0 &&
                   ::getsockname(listener_, reinterpret_cast<sockaddr*>(&name), &length) == 0,
               "listen for the other processes");
  address.port = name.sin_port;
  if (one_machine) {
    address.ip[address.count++] = htonl(INADDR_LOOPBACK);
    return address;
  }
  ifaddrs* list = nullptr;
  check_system(::getifaddrs(&list) == 0, "list the network interfaces");
  for (const ifaddrs* i = list; i && address.count < Address::kMost; i = i->ifa_next)
    if (i->ifa_addr && i->ifa_addr->sa_family == AF_INET) {
      const uint32_t ip = reinterpret_cast<const sockaddr_in*>(i->ifa_addr)->sin_addr.s_addr;
      if (ip != htonl(INADDR_LOOPBACK)) address.ip[address.count++] = ip;
    }
  ::freeifaddrs(list);
  return address;
}

void PeerWatch::accept_all(uint64_t token) {
  sockets_.assign(size_t(size_), -1);
  set_timeout(listener_, SO_RCVTIMEO, kSeconds);
  for (int missing = size_ - 1; missing > 0;) {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0 && errno == EINTR) continue;
    if (fd < 0) fail_system("hear from all processes");
    prepare(fd);
    set_timeout(fd, SO_RCVTIMEO, 5);
    Note note{};
    if (receive(fd, note) && note.token == token && note.rank > 0 && note.rank < size_ &&
        sockets_[size_t(note.rank)] < 0) {
      sockets_[size_t(note.rank)] = fd;
      --missing;
    } else {
      ::close(fd);
    }
  }
  ::close(listener_);
}

void PeerWatch::connect_to_first(const Address& address) {
  for (uint32_t i = 0; i < address.count; ++i) {
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_port = in_port_t(address.port);
    name.sin_addr.s_addr = address.ip[i];
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check_system(fd >= 0, "make a socket");
    set_timeout(fd, SO_SNDTIMEO, 3);  // of connect()
    if (::connect(fd, reinterpret_cast<sockaddr*>(&name), sizeof(name)) == 0) {
      prepare(fd);
      sockets_ = {fd};
      return send_all({Note::hello, rank_, 0, address.token});
    }
    ::close(fd);
  }
  fail_system("reach the process of rank 0");
}

void PeerWatch::send_all(const Note& note, int but) const {
  for (size_t i = 0; i < sockets_.size(); ++i)
    if (sockets_[i] >= 0 && int(i) != but) [[maybe_unused]]
      const ssize_t sent = ::send(sockets_[i], &note, sizeof(note), MSG_NOSIGNAL | MSG_DONTWAIT);
}
void PeerWatch::say_failed(int code) {
  failing_ = true;
  send_all({Note::failed, rank_, code, 0});
}

void PeerWatch::lost(int rank, int code) {
  if (failing_) return;  // they end because of this one, which has its own error to tell
  if (rank_ == 0) send_all({Note::gone, rank, code, 0}, rank);
  on_lost_(rank, code);
}

void PeerWatch::watch() {
  std::vector<pollfd> polled{{wake_, POLLIN, 0}};
  std::vector<int> ranks{rank_};
  for (size_t i = 0; i < sockets_.size(); ++i)
    if (sockets_[i] >= 0) polled.push_back({sockets_[i], POLLIN, 0}), ranks.push_back(rank_ == 0 ? int(i) : 0);
  while (true) {
    if (::poll(polled.data(), nfds_t(polled.size()), -1) < 0) continue;
    if (polled[0].revents) return;
    for (size_t i = 1; i < polled.size(); ++i) {
      if (!polled[i].revents) continue;
      Note note{};
      if (!receive(polled[i].fd, note)) return lost(ranks[i], 0);
      if (note.kind == Note::failed || note.kind == Note::gone) return lost(note.rank, note.code);
      if (note.kind == Note::bye) polled[i].fd = -1;  // poll() passes over it
    }
  }
}

}  // namespace kg::tools
