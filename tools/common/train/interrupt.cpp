// The handler only sets a flag, says so, and gives the signals back their usual meaning. It runs on a stack of its own:
// oneDNN's matrix kernels move the stack pointer into a work buffer on the heap, and a signal frame written below it
// there destroys the heap (seen: one interrupted run of ten aborted in free()). The kernel gives a signal sent to the
// process to its main thread, which holds the guard.
#include "tools/common/train/interrupt.h"

#include <signal.h>
#include <unistd.h>

#include <string_view>

namespace kg::tools {

namespace {

volatile sig_atomic_t flag = 0, silent = 0;
struct sigaction previous_int, previous_term;
stack_t previous_stack;
alignas(64) char handler_stack[64 << 10];  // an AVX-512 or AMX frame takes up to 11 KB

void on_signal(int) {
  flag = 1;
  ::signal(SIGINT, SIG_DFL);
  ::signal(SIGTERM, SIG_DFL);
  if (silent) return;
  constexpr std::string_view kNote = "\ninterrupted: saving after this iteration; once more quits at once\n";
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, kNote.data(), kNote.size());
}

}  // namespace

InterruptGuard::InterruptGuard(bool quiet) {
  flag = 0;
  silent = quiet;
  stack_t stack{};
  stack.ss_sp = handler_stack;
  stack.ss_size = sizeof(handler_stack);
  ::sigaltstack(&stack, &previous_stack);
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART | SA_ONSTACK;  // writes in progress are not cut short
  sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, &previous_int);
  ::sigaction(SIGTERM, &action, &previous_term);
}

InterruptGuard::~InterruptGuard() {
  ::sigaction(SIGINT, &previous_int, nullptr);
  ::sigaction(SIGTERM, &previous_term, nullptr);
  ::sigaltstack(&previous_stack, nullptr);
}

bool interrupted() { return flag != 0; }

}  // namespace kg::tools
