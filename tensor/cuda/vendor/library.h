// A CUDA library that is opened when the first function of it is needed, so that a program starts on machines without
// it. KG_CALL(library, function, arguments...) calls it by its own type. Looked for where the loader looks, then in the
// folders of KG_CUDA_LIBRARIES, separated by ':': PyTorch's wheels bring the libraries in folders that no loader knows.
#pragma once

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string>

#include "tensor/error.h"

namespace kg::cuda {

class Library {
 public:
  // The name as the loader knows it, with the version that the headers belong to: "libcublasLt.so.13".
  explicit Library(const char* name) : name_(name), handle_(open(name)) {
    const char* named = std::getenv("KG_CUDA_LIBRARIES");
    std::istringstream folders(named ? named : "");
    for (std::string folder; !handle_ && std::getline(folders, folder, ':');)
      if (const auto path = std::filesystem::path(folder) / name; !folder.empty() && std::filesystem::exists(path))
        handle_ = open(path.c_str());
    if (!handle_)
      why_ += std::string("; looked where the loader looks and in KG_CUDA_LIBRARIES (") + (named ? named : "not set") +
              "), which names further folders: KG_CUDA_LIBRARIES=$(python3 tools/cuda_wheels.py lib) those of wheels";
  }
  bool found() const { return handle_ != nullptr; }
  const std::string& why() const { return why_; }

  template <class Function>
  Function* function(const char* symbol) const {
    if (!handle_) fail(ErrorCode::runtime, "[cuda] ", name_, " is not here: ", why_);
    void* address = dlsym(handle_, symbol);
    if (!address)
      fail(ErrorCode::runtime, "[cuda] ", name_, " has no ", symbol, "; install the version it was built for");
    return reinterpret_cast<Function*>(address);
  }

 private:
  void* open(const char* path) {
    void* handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
      if (const char* why = dlerror()) why_ += (why_.empty() ? "" : "; ") + std::string(why);
    return handle;
  }

  std::string why_;  // first: open() adds to it
  const char* name_;
  void* handle_;
};

}  // namespace kg::cuda

#define KG_CALL(library, name)                                                                     \
  ([]() -> decltype(&name) {                                                                       \
    static const auto address = (library).function<std::remove_pointer_t<decltype(&name)>>(#name); \
    return address;                                                                                \
  }())
