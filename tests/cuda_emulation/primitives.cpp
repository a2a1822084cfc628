// The scheduler of the emulation: fibers for the threads of one block.
#include <sys/mman.h>

#include <bit>
#include <exception>
#include <map>
#include <vector>

#include "tensor/cuda/kernel.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

// Saves the callee's registers and the stack pointer to *from and goes on where `to` was left.
extern "C" void kg_switch_stack(void** from, void* to);
asm(R"(
.text
.globl kg_switch_stack
.type kg_switch_stack, @function
kg_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size kg_switch_stack, .-kg_switch_stack
)");

namespace kg::cuda {
constinit thread_local emulation::Index threadIdx, blockIdx, blockDim, gridDim;
}

namespace kg::emulation {
namespace {

constexpr size_t kStack = 256 << 10;

enum class State { fresh, ready, at_barrier, in_warp, done };

struct Fiber;
struct Thread {
  State state = State::fresh;
  Fiber* fiber = nullptr;
  Site site{};
  int exchanges = 0;  // how many this lane has taken part in
};

struct Fiber {
  char* stack = nullptr;
  void* at = nullptr;
  int thread = -1;
  ~Fiber() {
    if (stack) munmap(stack, kStack);
  }
};

// One launch at a time in a host thread; a kernel never launches another.
struct Machine {
  const char* kernel = "";
  void* call = nullptr;
  void (*body)(void*) = nullptr;
  std::vector<Thread> threads;
  std::vector<std::unique_ptr<Fiber>> fibers;
  std::vector<Fiber*> idle;
  void* host = nullptr;  // the scheduler's stack
  Fiber* running = nullptr;
  std::exception_ptr error;
  struct Exchange {
    Words values[2][32];  // a lane is at most one exchange ahead of another
  };
  std::vector<Exchange> warps;
  std::map<std::pair<const char*, int>, std::vector<char>> shared;
  const void* host_stack = nullptr;
  size_t host_stack_size = 0;
};
thread_local Machine* machine = nullptr;

std::string place(int thread) {
  const Index b = cuda::blockIdx;
  return "thread " + std::to_string(thread) + " of block (" + std::to_string(b.x) + ", " + std::to_string(b.y) + ", " +
         std::to_string(b.z) + ")";
}
std::string text(Site site) { return std::string(site.file) + ":" + std::to_string(site.line); }

void to_fiber(Machine& m, Fiber& fiber) {
  m.running = &fiber;
  cuda::threadIdx = {unsigned(fiber.thread), 0, 0};
#ifdef __SANITIZE_ADDRESS__
  void* fake = nullptr;
  __sanitizer_start_switch_fiber(&fake, fiber.stack, kStack);
  kg_switch_stack(&m.host, fiber.at);
  __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#else
  kg_switch_stack(&m.host, fiber.at);
#endif
  m.running = nullptr;
}
void to_host(Machine& m) {
  Fiber& fiber = *m.running;
#ifdef __SANITIZE_ADDRESS__
  void* fake = nullptr;
  __sanitizer_start_switch_fiber(&fake, m.host_stack, m.host_stack_size);
  kg_switch_stack(&fiber.at, m.host);
  __sanitizer_finish_switch_fiber(fake, &m.host_stack, &m.host_stack_size);
#else
  kg_switch_stack(&fiber.at, m.host);
#endif
}

// A fiber runs one thread to its end, then waits to be given another.
void fiber_main() {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(nullptr, &machine->host_stack, &machine->host_stack_size);
#endif
  for (;;) {
    Machine& m = *machine;
    Fiber& self = *m.running;
    try {
      m.body(m.call);
    } catch (...) {
      if (!m.error) m.error = std::current_exception();
    }
    m.threads[size_t(self.thread)].state = State::done;
    m.threads[size_t(self.thread)].fiber = nullptr;
    m.idle.push_back(&self);
    to_host(m);
  }
}

Fiber& new_fiber(Machine& m) {
  auto fiber = std::make_unique<Fiber>();
  void* memory = mmap(nullptr, kStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) fail(ErrorCode::memory, "[emulation] no memory for the stack of a thread");
  fiber->stack = static_cast<char*>(memory);
#ifdef __SANITIZE_ADDRESS__
  __asan_unpoison_memory_region(memory, kStack);  // what a stack given up half way left in the shadow of the place
#endif
  // Six registers, the address of fiber_main and a stack aligned as after a call.
  void** top = reinterpret_cast<void**>(fiber->stack + kStack) - 8;
  top[6] = reinterpret_cast<void*>(&fiber_main);
  top[7] = nullptr;
  fiber->at = top;
  m.fibers.push_back(std::move(fiber));
  return *m.fibers.back();
}

void resume(Machine& m, int t) {
  Thread& thread = m.threads[size_t(t)];
  if (!thread.fiber) {
    if (m.idle.empty()) m.idle.push_back(&new_fiber(m));
    thread.fiber = m.idle.back();
    m.idle.pop_back();
    thread.fiber->thread = t;
  }
  thread.state = State::ready;
  to_fiber(m, *thread.fiber);
}

// Lets go on who waits in `group` when all of it waits at one place; reports it when that can never be.
bool release(Machine& m, int begin, int end, State waiting, const char* what) {
  int waits = -1;
  for (int t = begin; t < end; ++t)
    if (m.threads[size_t(t)].state == waiting) waits = t;
  if (waits < 0) return false;
  const Site site = m.threads[size_t(waits)].site;
  for (int t = begin; t < end; ++t) {
    const Thread& other = m.threads[size_t(t)];
    if (other.state == waiting && other.site == site) continue;
    if (other.state == waiting || other.state == State::done) {
      cuda::threadIdx = {unsigned(waits), 0, 0};
      const std::string rest = other.state == State::done ? " has ended" : " waits at " + text(other.site);
      fail(ErrorCode::runtime, "[", m.kernel, "] divergent ", what, ": ", place(waits), " waits at ", text(site), ", ",
           place(t), rest);
    }
    return false;  // it waits for something narrower and will come
  }
  for (int t = begin; t < end; ++t) m.threads[size_t(t)].state = State::ready;
  return true;
}

void run_block(Machine& m) {
  const int n = int(m.threads.size());
  for (Thread& t : m.threads) t = Thread{};
  for (auto& [site, memory] : m.shared) std::fill(memory.begin(), memory.end(), char(0));
  for (;;) {
    bool ran = false;
    for (int t = 0; t < n; ++t) {
      const State state = m.threads[size_t(t)].state;
      if (state != State::fresh && state != State::ready) continue;
      resume(m, t);
      ran = true;
      if (m.error) std::rethrow_exception(std::exchange(m.error, nullptr));
    }
    bool released = false, waiting = false;
    for (int w = 0; w < n; w += 32) released |= release(m, w, w + 32, State::in_warp, "warp barrier or shuffle");
    if (!released) released = release(m, 0, n, State::at_barrier, "barrier");
    for (const Thread& t : m.threads) waiting |= t.state == State::at_barrier || t.state == State::in_warp;
    if (!ran && !released && !waiting) return;
    if (!ran && !released)
      fail(ErrorCode::runtime, "[", m.kernel, "] divergent barrier: the threads of block (", cuda::blockIdx.x, ", ",
           cuda::blockIdx.y, ", ", cuda::blockIdx.z, ") wait for each other");
  }
}

void wait(State state, Site site) {
  Machine& m = *machine;
  Thread& self = m.threads[size_t(m.running->thread)];
  const int t = m.running->thread;
  self.state = state;
  self.site = site;
  to_host(m);
  cuda::threadIdx = {unsigned(t), 0, 0};
}

}  // namespace

void fault(const std::string& what) {
  fail(ErrorCode::runtime, "[", machine->kernel, "] ", place(int(cuda::threadIdx.x)), " ", what);
}
void outside(int64_t index, int64_t begin, int64_t end) {
  fault("element " + std::to_string(index) + " is outside a tensor of elements " + std::to_string(begin) + " to " +
        std::to_string(end - 1));
}
void barrier(Site site) { wait(State::at_barrier, site); }
void warp_barrier(Site site) { wait(State::in_warp, site); }
int lane() { return int(cuda::threadIdx.x % 32); }

const Words* gather(const Words& words, Site site) {
  Machine& m = *machine;
  const int t = m.running->thread;
  Words* values = m.warps[size_t(t / 32)].values[m.threads[size_t(t)].exchanges++ % 2];
  values[t % 32] = words;
  wait(State::in_warp, site);
  return values;
}

uint64_t exchange(uint64_t value, int from, Site site) { return gather({value}, site)[from][0]; }
unsigned ballot(bool value, Site site) {
  const Words* values = gather({value}, site);
  unsigned bits = 0;
  for (int i = 0; i < 32; ++i) bits |= unsigned(values[i][0] != 0) << i;
  return bits;
}

namespace {
// Number i of the bf16 that a lane gave, four to a word.
uint16_t half_of(const Words& words, int i) { return uint16_t(words[size_t(i / 4)] >> 16 * (i % 4)); }
float float_of(const Words& words, int i) { return std::bit_cast<float>(uint32_t(half_of(words, i)) << 16); }
uint64_t joined(uint32_t low, uint32_t high) { return low | uint64_t(high) << 32; }
}  // namespace

cuda::Pack<uint32_t, 4> deal_matrices(const cuda::Pack<bf16, 8>& row, bool turned, Site site) {
  Words words{};
  std::memcpy(words.data(), &row, sizeof(row));
  const Words* rows = gather(words, site);
  const int g = lane() / 4, t = lane() % 4;
  cuda::Pack<uint32_t, 4> dealt;
  for (int m = 0; m < 4; ++m) {
    const Words* matrix = rows + 8 * m;
    const uint32_t first = turned ? half_of(matrix[2 * t], g) : half_of(matrix[g], 2 * t);
    const uint32_t second = turned ? half_of(matrix[2 * t + 1], g) : half_of(matrix[g], 2 * t + 1);
    dealt[m] = first | second << 16;
  }
  return dealt;
}
void multiply_matrices(cuda::Pack<float, 4>& d, const cuda::Pack<uint32_t, 4>& a, uint32_t b0, uint32_t b1, Site site) {
  const Words* all = gather({joined(a[0], a[1]), joined(a[2], a[3]), joined(b0, b1)}, site);
  const int g = lane() / 4, t = lane() % 4;
  for (int e = 0; e < 4; ++e) {
    const int low = e / 2, column = 2 * t + e % 2;  // low: the lower eight rows
    for (int k = 0; k < 16; ++k) {
      const int right = k / 8, holder = k % 8 / 2;
      d[e] += float_of(all[4 * g + holder], 2 * (low + 2 * right) + k % 2) *
              float_of(all[4 * column + holder], 8 + 2 * right + k % 2);
    }
  }
}

void* shared_memory(Site site, int64_t bytes) {
  std::vector<char>& memory = machine->shared[{site.file, site.line}];
  if (memory.size() < size_t(bytes)) memory.resize(size_t(bytes), char(0));
  return memory.data();
}

void run(const char* name, Index grid, unsigned threads, void* call, void (*body)(void*)) {
  static thread_local Machine m;
  machine = &m;
  m.kernel = name, m.call = call, m.body = body;
  m.threads.assign(threads, {});
  m.warps.resize(threads / 32);
  m.shared.clear();
  m.error = nullptr;
  cuda::gridDim = grid;
  cuda::blockDim = {threads, 1, 1};
  try {
    for (unsigned z = 0; z < grid.z; ++z)
      for (unsigned y = 0; y < grid.y; ++y)
        for (unsigned x = 0; x < grid.x; ++x) {
          cuda::blockIdx = {x, y, z};
          run_block(m);
        }
  } catch (...) {
    // Fibers that wait inside the kernel that failed cannot go on.
    m.idle.clear();
    m.fibers.clear();
    throw;
  }
}

}  // namespace kg::emulation
