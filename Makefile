# A thin front for CMake: `make demo` and `make test` are the only command needed on a fresh Debian machine.
.PHONY: all deps test-deps programs demo train test gradcheck bench asan fuzz format format-check headers clean help
.DEFAULT_GOAL := all

JOBS         ?= $(shell nproc)
FUZZ_SECONDS ?= 60
SYSTEM       ?= t2m_gpt
PRESET       ?= tiny
CMAKE_FLAGS  ?=

# ocl-icd-opencl-dev: the CMake file of libdnnl-dev asks for it.
PACKAGES        := g++ cmake make ninja-build libdnnl-dev ocl-icd-opencl-dev libgtest-dev zlib1g-dev \
                   nlohmann-json3-dev libcli11-dev libstb-dev libutf8proc-dev libsentencepiece-dev
# Training by several processes: not needed to build, wanted by the tests.
TEST_PACKAGES   := libopenmpi-dev openmpi-bin
BENCH_PACKAGES  := libbenchmark-dev
FUZZ_PACKAGES   := clang libclang-rt-dev libomp-dev
FORMAT_PACKAGES := clang-format

# $(call install,packages): installs what is missing as root or with sudo; else prints the command to run and stops.
define install
@command -v dpkg-query >/dev/null || { echo "deps: not a Debian system; needed are what Debian calls: $(1)"; exit 0; }; \
missing=; for p in $(1); do \
  dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; done; \
[ -z "$$missing" ] && exit 0; \
if [ "$$(id -u)" = 0 ]; then run=env; elif sudo -n true 2>/dev/null; then run="sudo env"; else \
  echo "deps: missing packages. Run this, then make again:"; echo "  sudo apt-get install$$missing"; exit 1; fi; \
echo "deps: installing$$missing"; \
apt="$$run DEBIAN_FRONTEND=noninteractive apt-get"; \
$$apt install -qq -y --no-install-recommends $$missing >/dev/null 2>&1 || \
  { $$apt update -qq && $$apt install -qq -y --no-install-recommends $$missing >/dev/null; } || \
  { echo "deps: apt-get could not install$$missing"; exit 1; }
endef

# $(call build,folder,options[,target]): configures once, builds. The generator is chosen when the folder is new.
define build
@[ -f $(1)/CMakeCache.txt ] || g="-G Ninja"; cmake -S . -B $(1) $$g --log-level=NOTICE $(2) $(CMAKE_FLAGS)
@cmake --build $(1) -j $(JOBS) $(if $(3),--target $(3))
endef

SOURCES = $(shell git ls-files '*.h' '*.cpp' '*.cu' 2>/dev/null || find . -name build\* -prune -o \( -name '*.h' -o -name '*.cpp' -o -name '*.cu' \) -print)

all: deps  ## release build in build/bin
	$(call build,build,)

deps:  ## install missing Debian packages, or print the command that does
	$(call install,$(PACKAGES))

programs: deps  ## the programs alone, without the tests
	$(call build,build,,programs)

demo: programs  ## make the built-in set, train, generate; look at out/demo/index.html
	build/bin/demo --system $(SYSTEM) --out out/demo

train: programs  ## every stage of SYSTEM at PRESET on the built-in set, its demo page and its evaluation
	build/bin/demo --system $(SYSTEM) --preset $(PRESET) --resume --evaluate --out out/$(SYSTEM)-$(PRESET)

test-deps:
	@$(MAKE) -s deps PACKAGES="$(TEST_PACKAGES)" || echo "deps: going on; tests of several processes are skipped"

test: test-deps all  ## build and run all tests
	@tests/run.sh build

gradcheck: deps  ## check every gradient, of operations and of whole models
	$(call build,build,,gradcheck)
	@build/bin/gradcheck

bench: deps  ## benchmarks (Google Benchmark)
	$(call install,$(BENCH_PACKAGES))
	$(call build,build,-DKG_BENCH=ON)
	build/bin/bench

asan: deps  ## the tests under AddressSanitizer and UndefinedBehaviorSanitizer, without those named Slow
	$(call build,build-asan,-DKG_SANITIZE=ON -DKG_CUDA=OFF)
	@tests/run.sh build-asan '--gtest_filter=-*Slow*'

fuzz: deps  ## fuzz every parser for FUZZ_SECONDS seconds each (clang, libFuzzer)
	$(call install,$(FUZZ_PACKAGES))
	$(call build,build-fuzz,-DKG_FUZZ=ON -DKG_CUDA=OFF -DKG_TESTS=OFF -DCMAKE_CXX_COMPILER=clang++,fuzzers)
	@tests/fuzz/run.sh build-fuzz $(FUZZ_SECONDS)

format:  ## clang-format every source file
	$(call install,$(FORMAT_PACKAGES))
	@clang-format -i $(SOURCES)

format-check:  ## fail when a file is not formatted
	$(call install,$(FORMAT_PACKAGES))
	@clang-format --dry-run -Werror $(SOURCES)

headers: deps  ## compile every header alone, and all of them in either order
	@tests/headers.sh

clean:  ## remove the build folders (runs in out/ stay)
	rm -rf build build-asan build-fuzz build-gpu

help:  ## this list
	@sed -nE 's/^([a-z-]+):[^#]*## /  make \1: /p' Makefile
