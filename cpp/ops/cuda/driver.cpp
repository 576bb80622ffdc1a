#include "ops/cuda/driver.h"

#ifdef _WIN32
#include <windows.h>
#else
#include <dlfcn.h>
#include <pthread.h>
#endif

#include <atomic>
#include <cstdlib>
#include <mutex>

#include "base/error.h"

namespace ossnb::cuda {
namespace {

constexpr int kLeastVersion = 12000;  // CUDA 12.0 came with the driver 525
constexpr const char* kUpdate =
    "; update the NVIDIA driver to 525 or newer (https://www.nvidia.com/drivers), or use device=\"cpu\"";

#ifdef _WIN32
constexpr const char* kLibrary = "nvcuda.dll";
void* open_library(const char* name, std::string& why) {
  void* library = reinterpret_cast<void*>(LoadLibraryA(name));
  if (library == nullptr) why = "error " + std::to_string(GetLastError());
  return library;
}
void* find_symbol(void* library, const char* name) {
  return reinterpret_cast<void*>(GetProcAddress(static_cast<HMODULE>(library), name));
}
#else
constexpr const char* kLibrary = "libcuda.so.1";
void* open_library(const char* name, std::string& why) {
  void* library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) why = dlerror();
  return library;
}
void* find_symbol(void* library, const char* name) { return dlsym(library, name); }
#endif

std::atomic<int> forks{0};

void find_functions(void* library, const std::string& name, Driver& found) {
  const char* missing = nullptr;
#define OSSNB_FIND(member, symbol, ...)                                                    \
  found.member = reinterpret_cast<Result (*)(__VA_ARGS__)>(find_symbol(library, #symbol)); \
  if (found.member == nullptr && missing == nullptr) missing = #symbol;
  OSSNB_CUDA_FUNCTIONS(OSSNB_FIND)
  const char* really_missing = missing;
  OSSNB_CUDA_NEWER_FUNCTIONS(OSSNB_FIND)
#undef OSSNB_FIND
  if (found.cuDriverGetVersion != nullptr) found.cuDriverGetVersion(&found.version);
  if (really_missing == nullptr && found.version >= kLeastVersion) return;
  if (found.version == 0) {
    throw DeviceUnavailable("the library " + name + " has no function " +
                            (really_missing ? really_missing : "that tells its version") +
                            ", so it is no CUDA driver; put the driver's library first in the search path");
  }
  throw DeviceUnavailable("the NVIDIA driver is too old: it supports CUDA " + version_text(found.version) +
                          (really_missing ? std::string(" and has no function ") + really_missing : "") +
                          ", and CUDA " + version_text(kLeastVersion) + " is needed" + kUpdate);
}

std::string why_init_failed(const Driver& found, Result result) {
  const std::string words = words_of(found, result);
  switch (result) {
    case kNoDevice:
      return "the NVIDIA driver sees no card (" + words +
             "); check nvidia-smi, and that CUDA_VISIBLE_DEVICES names a card";
    case kStubLibrary:
      return "the library that was found is the toolkit's stub, not a driver (" + words +
             "); take the folder `stubs` out of LD_LIBRARY_PATH";
    case kSystemDriverMismatch:
      return "the NVIDIA driver's library and its kernel module have different versions (" + words +
             "); restart the machine after an update of the driver";
    case kNotInitialized:
      return "CUDA was in use when this process was forked, and a forked process cannot use it (" + words +
             "); start the process with multiprocessing.get_context(\"spawn\")";
    default:
      return "the NVIDIA driver could not start (" + words + "); check nvidia-smi";
  }
}

void load(Driver& found) {
  const char* named = std::getenv("OSSNB_CUDA_DRIVER");
  const std::string name = named != nullptr && *named != '\0' ? named : kLibrary;
  std::string why;
  void* library = open_library(name.c_str(), why);
  if (library == nullptr) {
    throw DeviceUnavailable("there is no NVIDIA driver (" + why + "); install it, or use device=\"cpu\"");
  }
  find_functions(library, name, found);
  if (const Result result = found.cuInit(0); result != kSuccess) {
    throw DeviceUnavailable(why_init_failed(found, result));
  }
}

struct State {
  std::mutex mutex;
  std::atomic<bool> is_tried{false};
  std::atomic<int> tried_at{-1};  // fork_count() then
  Driver driver;
  std::string why_not;
};

State& state() {
  static State* made = new State;  // never destroyed: what is open at the end of the process still asks it
  return *made;
}

[[noreturn]] void refuse_fork() {
  throw DeviceUnavailable(
      "CUDA was in use when this process was forked, and a forked process cannot use it; load the model in "
      "the process that uses it, started with multiprocessing.get_context(\"spawn\")");
}

}  // namespace

int fork_count() {
#ifndef _WIN32
  static const bool is_counting = pthread_atfork(nullptr, nullptr, [] { ++forks; }) == 0;
  (void)is_counting;
#endif
  return forks.load(std::memory_order_relaxed);
}

const Driver& driver() {
  State& s = state();
  const int now = fork_count();
  if (!s.is_tried) {
    // In a child of a process whose other thread was here, nobody would ever unlock the mutex.
    if (const int begun = s.tried_at; begun != -1 && begun != now) refuse_fork();
    const std::lock_guard lock(s.mutex);
    if (!s.is_tried) {
      s.tried_at = now;
      try {
        load(s.driver);
      } catch (const DeviceUnavailable& error) {
        s.why_not = error.what();
      }
      s.is_tried = true;
    }
  }
  if (!s.why_not.empty()) throw DeviceUnavailable(s.why_not);
  if (s.tried_at != now) refuse_fork();
  return s.driver;
}

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

std::string words_of(const Driver& driver, Result result) {
  const char *name = nullptr, *text = nullptr;
  if (driver.cuGetErrorName != nullptr) driver.cuGetErrorName(result, &name);
  if (driver.cuGetErrorString != nullptr) driver.cuGetErrorString(result, &text);
  if (name == nullptr) return "error " + std::to_string(result);
  return text == nullptr ? name : std::string(name) + ": " + text;
}

}  // namespace ossnb::cuda
