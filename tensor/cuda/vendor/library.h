// A CUDA library that is opened when the first function of it is needed, so that a program starts on machines without
// it. KG_CALL(library, function, arguments...) calls it by its own type.
#pragma once

#include <dlfcn.h>

#include <string>

#include "tensor/error.h"

namespace kg::cuda {

class Library {
 public:
  // The name as the loader knows it, with the version that the headers belong to: "libcublasLt.so.13".
  explicit Library(const char* name) : name_(name), handle_(dlopen(name, RTLD_NOW | RTLD_LOCAL)) {
    if (!handle_)
      if (const char* why = dlerror()) why_ = why;
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
  const char* name_;
  void* handle_;
  std::string why_;
};

}  // namespace kg::cuda

#define KG_CALL(library, name)                                                                     \
  ([]() -> decltype(&name) {                                                                       \
    static const auto address = (library).function<std::remove_pointer_t<decltype(&name)>>(#name); \
    return address;                                                                                \
  }())
