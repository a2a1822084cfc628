// The handler only sets a flag, says so, and gives the signals back their usual meaning.
#include "tools/common/interrupt.h"

#include <signal.h>
#include <unistd.h>

#include <string_view>

namespace kg {

namespace {

volatile sig_atomic_t flag = 0;
struct sigaction previous_int, previous_term;

void on_signal(int) {
  flag = 1;
  ::signal(SIGINT, SIG_DFL);
  ::signal(SIGTERM, SIG_DFL);
  constexpr std::string_view kNote = "\ninterrupted: saving after this iteration; once more quits at once\n";
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, kNote.data(), kNote.size());
}

}  // namespace

InterruptGuard::InterruptGuard() {
  flag = 0;
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;  // writes in progress are not cut short
  sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, &previous_int);
  ::sigaction(SIGTERM, &action, &previous_term);
}

InterruptGuard::~InterruptGuard() {
  ::sigaction(SIGINT, &previous_int, nullptr);
  ::sigaction(SIGTERM, &previous_term, nullptr);
}

bool interrupted() { return flag != 0; }

}  // namespace kg
