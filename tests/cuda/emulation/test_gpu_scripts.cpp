// tools/gpu_report and tools/gpu_pack with shell scripts in place of the programs, so that every way to fail is seen
// without a GPU, and the build's answer to a backend that cannot be built.
#include "tests/tools/programs.h"

namespace kg::test {
namespace {

using std::string;

const fs::path kRoot = fs::path(KG_TEST_DIR).parent_path();

// One suite passes, one fails, one is skipped, one hangs, one crashes.
const char kTests[] = R"(case "$*" in
  *list_tests*) printf 'Running main() from gtest_main.cc\nGood.\n  One\nBad.\n  Two\n  Three\nTable/Skipped.\n  '
    printf 'Four/0  # GetParam() = x\nHangs.\n  Five\nCrashes.\n  Six\nCudaProbe.\n  Works\n' ;;
  *CudaProbe*) printf '[ RUN      ] CudaProbe.Works\ndevice: a stand-in\n[       OK ] CudaProbe.Works (0 ms)\n' ;;
  *Good.*) printf '[ RUN      ] Good.One\n[       OK ] Good.One (0 ms)\n' ;;
  *Bad.*) printf '[ RUN      ] Bad.Two\nx.cpp:7: Failure\nExpected 1\n  got 2, blocking=%s\n' "$CUDA_LAUNCH_BLOCKING"
    printf '[  FAILED  ] Bad.Two (0 ms)\n[ RUN      ] Bad.Three\n[       OK ] Bad.Three (0 ms)\n'; exit 1 ;;
  *Skipped*) printf '[ RUN      ] Table/Skipped.Four/0\nx.h:3: Skipped\nno cuDNN here\n'
    printf '[  SKIPPED ] Table/Skipped.Four/0 (0 ms)\n' ;;
  *Hangs*) printf '[ RUN      ] Hangs.Five\n'; sleep 60 ;;
  *Crashes*) printf '[ RUN      ] Crashes.Six\n'; kill -SEGV $$ ;;
esac
)";
const char kBench[] = R"(echo "copy: 1.5 ms" >&2
printf '| what | ms |\n|---|---:|\n| copy | 1.5 |\n| gelu/bf16 | 0.25 |\n' >"$4"
)";
const char kPython[] = R"(case "$1" in
  -c) echo 2.11 ;;
  tools/compare_pytorch.py) echo '{"eager_f32": {"copy": 0.003}, "compiled_bf16": {"gelu/bf16": 0.0005}}' >"$5" ;;
  tools/cuda_wheels.py) ;;
  *) exec python3 "$@" ;;
esac
)";
const char kSanitizer[] = R"(echo "exact=$KG_EXACT_ALLOCATIONS $*"
if [ "$2" = racecheck ]; then
  printf '========= Error: Race reported between a and b\n========= RACECHECK SUMMARY: 1 hazard displayed\n'
  exit 86
fi
printf '[  PASSED  ] 9 tests.\n========= ERROR SUMMARY: 0 errors\n'
)";

struct FakeMachine {
  TemporaryFolder folder;
  FakeMachine() {
    program("bin/test_gpu", kTests);
    program("bin/gpu_bench", kBench);
    program("path/python", kPython);
    program("path/compute-sanitizer", kSanitizer);
    program("path/nvidia-smi", "echo 'Stand-in GPU, 1.0, 2 MiB'\n");
  }
  void program(const string& name, const string& script) {
    fs::create_directories((folder / name).parent_path());
    spill(folder / name, "#!/bin/sh\n" + script);
    fs::permissions(folder / name, fs::perms::owner_all);
  }
  RunResult report(const string& arguments) const {
    return run_command("cd " + quoted(folder.path()) + " && PATH=$PWD/path:$PATH PYTHON=$PWD/path/python " +
                       quoted(kRoot / "tools/gpu_report") + " --bin bin " + arguments + " report.md");
  }
  string text() const { return slurp(folder / "report.md"); }
  string log(const string& name) const { return slurp(folder / ("report_logs/" + name + ".log")); }
};
void expect_in(const string& text, const std::vector<string>& parts) {
  for (const string& part : parts) EXPECT_NE(text.find(part), string::npos) << part << "\nis not in\n" << text;
}

TEST(GpuReport, EachFailureIsNamedAndStopsNoOtherPart) {
  const FakeMachine machine;
  const RunResult r = machine.report("--suite 1");
  EXPECT_EQ(r.code, 1) << r.output;
  expect_in(machine.text(),
            {"- Stand-in GPU, 1.0, 2 MiB\n",
             "## probe: passed",
             "- device: a stand-in\n",
             "## bench: passed",
             "| gelu/bf16 | 0.25 |\n",
             "## suite: FAILED",
             "- Good: passed, 1 tests\n",
             "- Bad: FAILED, 1 of 2: Bad.Two\n  - first: x.cpp:7: Failure Expected 1   got 2, blocking=\n"
             "  - log: report_logs/suite_Bad.log\n",
             "- Table/Skipped: FAILED, 1 of 1 skipped: no cuDNN here\n  - log: report_logs/suite_Table_Skipped.log\n",
             "- Hangs: FAILED, it ended in Hangs.Five with exit code 124; failed: Hangs.Five\n",
             "- Crashes: FAILED, it ended in Crashes.Six with exit code 139; failed: Crashes.Six\n",
             "- again, Bad.Two alone with blocking launches: exit code 1: x.cpp:7: Failure Expected 1   got 2, "
             "blocking=1 (log: "
             "report_logs/alone_Bad_Two.log)\n",
             "- again, Bad.Two under memcheck: ERROR SUMMARY: 0 errors (log: report_logs/memcheck_Bad_Two.log)\n",
             "- again, Crashes.Six alone",
             "## pytorch: passed",
             "- PyTorch 2.11: ran\n",
             "| copy | 1.5 | 3 | 2.00 | - | - |\n",
             "| gelu/bf16 | 0.25 | - | - | 0.5 | 2.00 |\n",
             "## sanitizers: FAILED",
             "- memcheck: passed. ERROR SUMMARY: 0 errors\n",
             "- racecheck: FAILED, RACECHECK SUMMARY: 1 hazard displayed; first: Error: Race reported between a and b",
             "- synccheck: passed.",
             "\nFailed: suite sanitizers\n"});
  EXPECT_EQ(machine.text().find("again, Table/Skipped"), string::npos);
  expect_in(machine.log("suite_Hangs"), {"cut after 1 s"});
  // Each tool with what it needs: exact blocks; no errors of calls; races and barriers in our kernels only.
  expect_in(machine.log("sanitizer_memcheck"), {"exact=1 --tool memcheck --report-api-errors no --error-exitcode"});
  expect_in(machine.log("sanitizer_racecheck"), {"exact=1 --tool racecheck", "--kernel-regex kns=kg4cuda"});
}
TEST(GpuReport, OnlyWhatIsAskedForRuns) {
  const FakeMachine machine;
  const RunResult r = machine.report("--only pytorch,bench");
  EXPECT_EQ(r.code, 0) << r.output;
  expect_in(machine.text(), {"## bench: passed", "## pytorch: passed", "\nPassed: bench pytorch\n"});
  for (const char* other : {"probe", "suite", "sanitizers"})
    EXPECT_EQ(machine.text().find("## " + string(other)), string::npos) << other;
  for (const char* wrong : {"--only speed", "--limit soon", "--suite 0", "--nonsense", "--only"})
    EXPECT_EQ(machine.report(wrong).code, 2) << wrong;
}
// A part that hangs is cut, and what could not start is said to have failed.
TEST(GpuReport, TheTimeLimitHolds) {
  FakeMachine machine;
  machine.program("bin/gpu_bench", "echo 'copy: 1.5 ms' >&2\nsleep 900\n");
  machine.program("bin/test_gpu", "echo 'Hangs.\n  One\nNext.\n  One'\ncase $* in *list*) ;; *) sleep 900 ;; esac\n");
  machine.program("path/python", "[ \"$1\" = tools/cuda_wheels.py ] || sleep 900\n");
  const auto begin = std::chrono::steady_clock::now();
  const RunResult r = machine.report("--limit 10");
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  EXPECT_EQ(r.code, 1);
  EXPECT_LT(seconds, 120) << r.output;  // 10 and what a busy machine adds
  expect_in(machine.text(), {"## bench: FAILED", "- bench: FAILED with exit code 124: cut after ", "    copy: 1.5 ms\n",
                             "## suite: FAILED", "and those after it: FAILED, not started: the time was used up\n",
                             "## pytorch: FAILED", "## sanitizers: ", "\nFailed: probe bench suite pytorch"});
}
// The machine of a first try: no device, no PyTorch, no sanitizer. Each part says so.
TEST(GpuReport, WithoutADeviceEachPartSaysWhy) {
  FakeMachine machine;
  machine.program("bin/test_gpu", R"(case "$*" in
  *list_tests*) printf 'CudaConv.\n  One\nCudaProbe.\n  Works\n' ;;
  *) printf '[ RUN      ] A.B\nx.h:3: Skipped\nno usable CUDA device: no driver\n[  SKIPPED ] A.B (0 ms)\n' ;;
esac
)");
  machine.program("bin/gpu_bench", "echo 'error: --device cuda cannot be used: no driver' >&2\nexit 1\n");
  machine.program("path/python", "echo \"ModuleNotFoundError: No module named 'torch'\" >&2\nexit 1\n");
  fs::remove(machine.folder / "path/compute-sanitizer");
  fs::remove(machine.folder / "path/nvidia-smi");
  const RunResult r = machine.report("");
  EXPECT_EQ(r.code, 1);
  expect_in(machine.text(), {"- probe: FAILED, 1 of 1 skipped: no usable CUDA device: no driver\n",
                             "- bench: FAILED with exit code 1: error: --device cuda cannot be used: no driver (log: ",
                             "- CudaConv: FAILED, 1 of 1 skipped: no usable CUDA device: no driver\n",
                             "- PyTorch: FAILED, not compared: ModuleNotFoundError: No module named 'torch' (log: "});
  machine.program("bin/test_gpu", "echo 'cannot open libz.so.1: error' >&2\nexit 127\n");
  fs::remove(machine.folder / "bin/gpu_bench");
  machine.report("--only probe,bench,suite");
  expect_in(machine.text(), {"- probe: FAILED with exit code 127: cannot open libz.so.1: error\n",
                             "- bench: FAILED with exit code 127: ", "No such file or directory",
                             "- suite: FAILED, its tests cannot be listed (exit code 127): cannot open libz.so.1"});
}
TEST(GpuReport, RunsAtToySizeOnTheEmulation) {
  TemporaryFolder folder;
  const RunResult r = run_command("KG_BUILD=" + quoted(fs::path(KG_BIN_DIR).parent_path()) + " " +
                                  quoted(kRoot / "tools/gpu_report") + " --tiny " + quoted(folder / "report.md"));
  ASSERT_EQ(r.code, 0) << r.output;
  expect_in(
      slurp(folder / "report.md"),
      {"# GPU report", "## probe: passed", "- device: emulated CUDA device", "| copy |", "| attention_backward/bf16 |",
       "| gpt_step/bf16 |", "| vqvae_step/f32 |", "| gpt_step_read/tf32 |", "| linear/tf32 |", "| generate_1/bf16 |"});
  EXPECT_EQ(slurp(folder / "report.md").find("failed: "), std::string::npos) << r.output;
}

// Programs of the system stand for ours: what they load is packed, glibc is not.
TEST(GpuPack, SlowHoldsTheProgramsWithTheirLibrariesAndStartsThem) {
  TemporaryFolder folder;
  fs::create_directories(folder / "bin");
  fs::copy_file(fs::path(KG_BIN_DIR) / "gpu_bench", folder / "bin/gpu_bench");
  fs::copy_file(fs::path(KG_BIN_DIR) / "gpu_bench", folder / "bin/test_gpu");
  const string pack = "cd " + quoted(folder.path()) +
                      " && LD_LIBRARY_PATH=" + quoted(fs::path(KG_BIN_DIR).parent_path() / "lib") + " " +
                      quoted(kRoot / "tools/gpu_pack") + " --bin bin ";
  RunResult r = run_command(pack + "--limit 1 small");
  EXPECT_EQ(r.code, 1);
  expect_in(r.output, {"lib.tar.gz", "error: the pack has ", " MB, more than the 1 MB that are allowed"});
  EXPECT_FALSE(fs::exists(folder / "small"));
  EXPECT_FALSE(fs::exists(folder / "small.new"));

  r = run_command(pack + "packed");
  ASSERT_EQ(r.code, 0) << r.output;
  expect_in(r.output, {"packed: ", " MB, ", " libraries; glibc "});
  r = run_command("PYTHON=python3 " + quoted(folder / "packed/start") + " bin/gpu_bench --help");
  EXPECT_EQ(r.code, 0) << r.output;
  expect_in(r.output, {"Times ops"});
  for (const char* file : {"start", "bin/test_gpu", "lib/libkg_tensor.so", "lib/libgomp.so.1", "lib/libstdc++.so.6",
                           "tools/gpu_report", "tools/compare_pytorch.py", "tests/golden/t2m_gpt_torch.py"})
    EXPECT_TRUE(fs::exists(folder / "packed" / file)) << file;
  EXPECT_FALSE(fs::exists(folder / "packed/lib/libc.so.6"));
  r = run_command("cd " + quoted(folder.path()) + " && packed/start --only bench here.md");
  EXPECT_EQ(r.code, 1) << "there is no GPU for a build without CUDA";
  expect_in(slurp(folder / "here.md"), {"## bench: FAILED", "--device cuda cannot be used: "});
}
TEST(GpuPack, SaysWhatIsMissing) {
  TemporaryFolder folder;
  const RunResult r =
      run_command("cd " + quoted(folder.path()) + " && " + quoted(kRoot / "tools/gpu_pack") + " --bin . x");
  EXPECT_EQ(r.code, 1);
  expect_in(r.output, {"/test_gpu is not there"});
  EXPECT_FALSE(fs::exists(folder / "x"));
}

// Folders as wheels make them, seen by the script that the build and the programs ask.
TEST(CudaWheels, FindsTheFoldersOfWheels) {
  TemporaryFolder folder;
  for (const char* path : {"nvidia/cudnn/lib", "nvidia/cudnn/include", "nvidia/cu13/lib", "other/lib"})
    fs::create_directories(folder / path);
  const RunResult r = run_command("PYTHONPATH=" + quoted(folder.path()) + " python3 " +
                                  quoted(kRoot / "tools/cuda_wheels.py") + " lib");
  EXPECT_EQ(r.code, 0);
  const string found = ":" + r.output.substr(0, r.output.size() - 1) + ":";
  expect_in(found,
            {":" + (folder / "nvidia/cudnn/lib").string() + ":", ":" + (folder / "nvidia/cu13/lib").string() + ":"});
  EXPECT_EQ(found.find("include"), string::npos);
  EXPECT_EQ(found.find("other"), string::npos);
}

// Asked for by name, a backend that cannot be built is an error; left to itself, the build goes on for the CPU.
TEST(CudaBuild, AskedForByNameItIsBuiltOrAnError) {
  TemporaryFolder folder;
  const auto configure = [&](const string& wanted) {
    return run_command("cmake -S " + quoted(kRoot) + " -B " + quoted(folder / "build") + " --log-level=NOTICE" +
                       " -DKG_TESTS=OFF -DKG_NVCC=/bin/false -DKG_CUDA=" + wanted);
  };
  const RunResult on = configure("ON"), automatic = configure("AUTO");
  EXPECT_NE(on.code, 0);
  expect_in(on.output, {"KG_CUDA is ON, but ", "/false is not nvcc 13 or newer"});
  EXPECT_EQ(automatic.code, 0) << automatic.output;
  expect_in(automatic.output, {"/false is not nvcc 13 or newer: building for the CPU"});
}

}  // namespace
}  // namespace kg::test
