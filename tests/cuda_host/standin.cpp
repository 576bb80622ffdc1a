// A stand-in for the CUDA driver's library: the functions of ops/cuda/driver.h over kernels that run on this
// CPU (host_cuda.h). It refuses what a card refuses, and fails where it is told to (standin.h).
#include "standin.h"

#include <pthread.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <mutex>
#include <set>
#include <vector>

#include "host_cuda.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace ossnb::cuda {

struct ContextOfDriver {
  int ordinal, n_users;
  Result sticky;
  std::vector<StreamHandle> streams;
};

using Operation = std::function<Result()>;

struct StreamOfDriver {
  ContextHandle context;
  std::vector<Operation> queue;  // of a lazy stream
  GraphHandle capture;           // null: none
  bool is_capture_valid;
  pthread_t capturer;
};

struct EventOfDriver {
  StreamHandle stream;  // null: never recorded
  bool is_done, is_captured, has_timing, was_asked;
  std::chrono::steady_clock::time_point at;
};

struct ModuleOfDriver {
  ContextHandle context;
  std::vector<FunctionHandle> functions;
};

struct FunctionOfDriver {
  ContextHandle context;
  const hc::Kernel* kernel;
  unsigned shared_allowed;
};

struct GraphOfDriver {
  std::vector<Operation> operations;
};
struct GraphExecOfDriver {
  std::vector<Operation> operations;
};

}  // namespace ossnb::cuda

namespace standin {
namespace {

using namespace ossnb::cuda;

constexpr int kMostCards = 8, kMostNested = 64;

struct World {
  std::recursive_mutex mutex;
  pid_t begun_by = 0;  // 0: cuInit was not called
  ContextOfDriver contexts[kMostCards] = {};
  std::set<const void*> live;  // handles
  std::uint64_t n_calls = 0, n_launches = 0;
  std::string words;
};

World& world() {
  static auto* one = new World;
  return *one;
}

thread_local ContextHandle nested[kMostNested];
thread_local int n_nested;

ContextHandle current() { return n_nested == 0 ? nullptr : nested[n_nested - 1]; }

enum class Needs { nothing, init, context };

// One call of a function: what stands against it, and the lock.
class Call {
 public:
  explicit Call(const char* function, Needs needs = Needs::context) {
    World& w = world();
    if (w.begun_by != 0 && w.begun_by != getpid()) {  // a forked child; the lock may be another thread's copy
      result = kNotInitialized;
      return;
    }
    lock_ = std::unique_lock(w.mutex);
    ++w.n_calls;
    result = wished_fault(function);
    if (has_vanished()) result = kUnknown;
    if (needs != Needs::nothing && w.begun_by == 0 && result == kSuccess) result = kNotInitialized;
    if (needs != Needs::context) return;
    ContextHandle context = current();
    if (context == nullptr) {
      if (result == kSuccess) result = kInvalidContext;
      return;
    }
    if (context->sticky == kSuccess && is_sticky(result)) context->sticky = result;
    if (context->sticky != kSuccess) result = context->sticky;
  }

  Result result;

 private:
  std::unique_lock<std::recursive_mutex> lock_;
};

#define BEGIN(function, ...)                            \
  const Call call(function __VA_OPT__(, ) __VA_ARGS__); \
  if (call.result != kSuccess) return call.result

template <class Handle>
Handle keep(Handle made) {
  world().live.insert(made);
  return made;
}
template <class Handle>
bool drop(Handle handle) {
  return world().live.erase(handle) != 0;
}
bool is_live(const void* handle) { return world().live.count(handle) != 0; }

Result note(ContextHandle context, Result result) {
  if (is_sticky(result) && context->sticky == kSuccess) context->sticky = result;
  return result;
}

// Runs what waits on the stream.
Result drain(StreamHandle stream) {
  std::vector<Operation> queue;
  queue.swap(stream->queue);
  for (const Operation& operation : queue) {
    if (const Result result = note(stream->context, operation()); result != kSuccess) return result;
  }
  return stream->context->sticky;
}

Result drain_all(ContextHandle context) {
  for (StreamHandle stream : context->streams) {
    if (const Result result = drain(stream); result != kSuccess) return result;
  }
  return kSuccess;
}

Result submit(StreamHandle stream, Operation operation) {
  if (stream->capture != nullptr) {
    stream->capture->operations.push_back(std::move(operation));
    return kSuccess;
  }
  if (settings().is_lazy()) {
    stream->queue.push_back(std::move(operation));
    return kSuccess;
  }
  return note(stream->context, operation());
}

bool is_stream(StreamHandle stream) {
  return stream != nullptr && is_live(stream) && stream->context == current();
}

// What no call may do while this thread captures: the capture is lost.
bool breaks_capture() {
  bool found = false;
  for (StreamHandle stream : current()->streams) {
    if (stream->capture == nullptr || !pthread_equal(stream->capturer, pthread_self())) continue;
    stream->is_capture_valid = false;
    found = true;
  }
  return found;
}

bool is_memory(std::uint64_t address, std::size_t n) { return is_on_card(current()->ordinal, address, n); }

void say(const std::string& words) {
  world().words = words;
  std::fprintf(stderr, "stand-in: %s\n", words.c_str());
}

unsigned shared_limit() {
  switch (settings().capability) {
    case 75:
      return 64 << 10;
    case 80:
    case 87:
      return 163 << 10;
    case 90:
    case 100:
    case 103:
      return 227 << 10;
    default:
      return 99 << 10;
  }
}

Result run_kernel(const hc::Kernel& kernel, hc::Launch launch, const std::vector<unsigned char>& args) {
  World& w = world();
  launch.seed = settings().seed == 0 ? 0 : settings().seed + static_cast<unsigned>(w.n_launches);
#if defined(HC_ASAN) || defined(HC_TSAN)
  launch.n_workers = 1;
#else
  launch.n_workers = sysconf(_SC_NPROCESSORS_ONLN) > 1 ? 2 : 1;
#endif
  ++w.n_launches;
  for (std::size_t at = 0; at + 8 <= args.size(); at += 8) {
    std::uint64_t word;
    std::memcpy(&word, args.data() + at, 8);
    if (is_foreign(word)) {
      say(std::string("the kernel ") + kernel.name + " gets an address of the host in byte " +
          std::to_string(at) + " of its argument");
      return kIllegalAddress;
    }
  }
  try {
    hc::run(launch, kernel.function, args.data());
    return kSuccess;
  } catch (const hc::Failure& failure) {
    say(std::string("the kernel ") + kernel.name + ": " + failure.what());
    return failure.is_bad_address ? kIllegalAddress : kLaunchFailed;
  }
}

}  // namespace
}  // namespace standin

using namespace standin;
using namespace ossnb::cuda;

// ---- the driver and its cards
// ------------------------------------------------------------------------------

EXPORT Result cuInit(unsigned flags) {
  BEGIN("cuInit", Needs::nothing);
  if (flags != 0) return kInvalidValue;
  if (settings().n_cards == 0) return kNoDevice;
  world().begun_by = getpid();
  return kSuccess;
}

EXPORT Result cuDriverGetVersion(int* version) {
  BEGIN("cuDriverGetVersion", Needs::nothing);
  *version = settings().version;
  return kSuccess;
}

EXPORT Result cuGetErrorName(Result error, const char** text) {
  switch (error) {
#define NAME(code, name, words) \
  case code:                    \
    *text = #name;              \
    return kSuccess;
#define ERRORS(E)                                                                                            \
  E(0, CUDA_SUCCESS, "no error")                                                                             \
  E(1, CUDA_ERROR_INVALID_VALUE, "invalid argument")                                                         \
  E(2, CUDA_ERROR_OUT_OF_MEMORY, "out of memory")                                                            \
  E(3, CUDA_ERROR_NOT_INITIALIZED, "initialization error")                                                   \
  E(34, CUDA_ERROR_STUB_LIBRARY, "CUDA driver is a stub library")                                            \
  E(46, CUDA_ERROR_DEVICE_UNAVAILABLE, "CUDA-capable device(s) is/are busy or unavailable")                  \
  E(100, CUDA_ERROR_NO_DEVICE, "no CUDA-capable device is detected")                                         \
  E(101, CUDA_ERROR_INVALID_DEVICE, "invalid device ordinal")                                                \
  E(200, CUDA_ERROR_INVALID_IMAGE, "device kernel image is invalid")                                         \
  E(201, CUDA_ERROR_INVALID_CONTEXT, "invalid device context")                                               \
  E(209, CUDA_ERROR_NO_BINARY_FOR_GPU, "no kernel image is available for execution on the device")           \
  E(214, CUDA_ERROR_ECC_UNCORRECTABLE, "uncorrectable ECC error encountered")                                \
  E(222, CUDA_ERROR_UNSUPPORTED_PTX_VERSION, "the provided PTX was compiled with an unsupported toolchain.") \
  E(400, CUDA_ERROR_INVALID_HANDLE, "invalid resource handle")                                               \
  E(500, CUDA_ERROR_NOT_FOUND, "named symbol not found")                                                     \
  E(600, CUDA_ERROR_NOT_READY, "device not ready")                                                           \
  E(700, CUDA_ERROR_ILLEGAL_ADDRESS, "an illegal memory access was encountered")                             \
  E(701, CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, "too many resources requested for launch")                      \
  E(702, CUDA_ERROR_LAUNCH_TIMEOUT, "the launch timed out and was terminated")                               \
  E(719, CUDA_ERROR_LAUNCH_FAILED, "unspecified launch failure")                                             \
  E(803, CUDA_ERROR_SYSTEM_DRIVER_MISMATCH,                                                                  \
    "system has unsupported display driver / cuda driver combination")                                       \
  E(900, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "operation not permitted when stream is capturing")          \
  E(901, CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "operation failed due to a previous error during capture")   \
  E(999, CUDA_ERROR_UNKNOWN, "unknown error")
    ERRORS(NAME)
    default:
      *text = nullptr;
      return kInvalidValue;
  }
}

EXPORT Result cuGetErrorString(Result error, const char** text) {
  switch (error) {
#define WORDS(code, name, words) \
  case code:                     \
    *text = words;               \
    return kSuccess;
    ERRORS(WORDS)
    default:
      *text = nullptr;
      return kInvalidValue;
  }
}

EXPORT Result cuDeviceGetCount(int* count) {
  BEGIN("cuDeviceGetCount", Needs::init);
  *count = settings().n_cards;
  return kSuccess;
}

EXPORT Result cuDeviceGet(DeviceId* device, int ordinal) {
  BEGIN("cuDeviceGet", Needs::init);
  if (ordinal < 0 || ordinal >= settings().n_cards || ordinal >= kMostCards) return kInvalidDevice;
  *device = ordinal;
  return kSuccess;
}

EXPORT Result cuDeviceGetName(char* name, int length, DeviceId) {
  BEGIN("cuDeviceGetName", Needs::init);
  std::snprintf(name, static_cast<std::size_t>(length), "%s", settings().name.c_str());
  return kSuccess;
}

EXPORT Result cuDeviceGetAttribute(int* value, int attribute, DeviceId) {
  BEGIN("cuDeviceGetAttribute", Needs::init);
  switch (attribute) {
    case kMaxThreadsPerBlock:
      *value = 1024;
      return kSuccess;
    case kMultiprocessorCount:
      *value = 4;
      return kSuccess;
    case kIntegrated:
    case kComputeMode:
      *value = 0;
      return kSuccess;
    case kL2CacheSize:
      *value = 4 << 20;
      return kSuccess;
    case kCapabilityMajor:
      *value = settings().capability / 10;
      return kSuccess;
    case kCapabilityMinor:
      *value = settings().capability % 10;
      return kSuccess;
    case kMaxSharedPerBlockOptin:
      *value = static_cast<int>(shared_limit());
      return kSuccess;
    default:
      return kInvalidValue;
  }
}

EXPORT Result cuDeviceTotalMem_v2(std::size_t* bytes, DeviceId) {
  BEGIN("cuDeviceTotalMem", Needs::init);
  *bytes = settings().memory;
  return kSuccess;
}

EXPORT Result cuDevicePrimaryCtxRetain(ContextHandle* context, DeviceId device) {
  BEGIN("cuDevicePrimaryCtxRetain", Needs::init);
  if (device < 0 || device >= settings().n_cards) return kInvalidDevice;
  ContextOfDriver& primary = world().contexts[device];
  if (primary.sticky != kSuccess) return primary.sticky;
  primary.ordinal = device;
  ++primary.n_users;
  *context = &primary;
  return kSuccess;
}

EXPORT Result cuDevicePrimaryCtxRelease_v2(DeviceId device) {
  BEGIN("cuDevicePrimaryCtxRelease", Needs::init);
  ContextOfDriver& primary = world().contexts[device];
  if (primary.n_users == 0) return kInvalidContext;
  if (--primary.n_users > 0) return kSuccess;
  primary.sticky = kSuccess;  // the last one takes everything with it
  for (StreamHandle stream : primary.streams) {
    drop(stream);
    delete stream;
  }
  primary.streams.clear();
  release_all(device);
  return kSuccess;
}

EXPORT Result cuCtxPushCurrent_v2(ContextHandle context) {
  BEGIN("cuCtxPushCurrent", Needs::init);
  if (context == nullptr || context->n_users == 0) return kInvalidContext;
  if (n_nested == kMostNested) return kInvalidValue;
  nested[n_nested++] = context;
  return kSuccess;
}

EXPORT Result cuCtxPopCurrent_v2(ContextHandle* context) {
  if (n_nested == 0) return kInvalidContext;
  *context = nested[--n_nested];
  return kSuccess;
}

// ---- memory
// ------------------------------------------------------------------------------------------------

EXPORT Result cuMemGetInfo_v2(std::size_t* n_free, std::size_t* total) {
  BEGIN("cuMemGetInfo");
  *total = settings().memory;
  const std::size_t used = allocated_bytes(current()->ordinal);
  *n_free = used < *total ? *total - used : 0;
  return kSuccess;
}

EXPORT Result cuMemAlloc_v2(DevicePtr* memory, std::size_t n_bytes) {
  BEGIN("cuMemAlloc");
  if (breaks_capture()) return kCaptureUnsupported;
  if (n_bytes == 0) return kInvalidValue;
  const std::size_t used = allocated_bytes(current()->ordinal);
  if (n_bytes > settings().memory || used > settings().memory - n_bytes) return kOutOfMemory;
  *memory = allocate(current()->ordinal, n_bytes);
  return *memory == 0 ? kOutOfMemory : kSuccess;
}

EXPORT Result cuMemFree_v2(DevicePtr memory) {
  BEGIN("cuMemFree");
  if (breaks_capture()) return kCaptureUnsupported;
  if (const Result result = drain_all(current()); result != kSuccess) return result;
  return is_memory(memory, 0) && release(memory) ? kSuccess : kInvalidValue;
}

EXPORT Result cuMemAllocHost_v2(void** memory, std::size_t n_bytes) {
  BEGIN("cuMemAllocHost");
  if (breaks_capture()) return kCaptureUnsupported;
  *memory = allocate_pinned(n_bytes);
  return *memory == nullptr ? kOutOfMemory : kSuccess;
}

EXPORT Result cuMemFreeHost(void* memory) {
  BEGIN("cuMemFreeHost");
  if (breaks_capture()) return kCaptureUnsupported;
  if (const Result result = drain_all(current()); result != kSuccess) return result;
  return release_pinned(memory) ? kSuccess : kInvalidValue;
}

EXPORT Result cuMemHostRegister_v2(void* memory, std::size_t n_bytes, unsigned) {
  BEGIN("cuMemHostRegister");
  if (memory == nullptr || n_bytes == 0) return kInvalidValue;
  return pin(memory, n_bytes) ? kSuccess : kHostMemoryAlreadyRegistered;
}

EXPORT Result cuMemHostUnregister(void* memory) {
  BEGIN("cuMemHostUnregister");
  if (const Result result = drain_all(current()); result != kSuccess) return result;
  return unpin(memory) ? kSuccess : kInvalidValue;
}

namespace {

// What a copy does when the stream comes to it; what it wants is looked up anew, since memory may be gone by
// then.
Operation copying(std::uint64_t to, bool to_card, std::uint64_t from, bool from_card, std::size_t n) {
  const int ordinal = current()->ordinal;
  return [=]() -> Result {
    if (to_card && !is_on_card(ordinal, to, n)) return kIllegalAddress;
    if (from_card && !is_on_card(ordinal, from, n)) return kIllegalAddress;
    std::memmove(reinterpret_cast<void*>(to), reinterpret_cast<const void*>(from), n);
    return kSuccess;
  };
}

std::uint64_t number(const void* address) { return reinterpret_cast<std::uint64_t>(address); }

}  // namespace

EXPORT Result cuMemcpyHtoDAsync_v2(DevicePtr to, const void* from, std::size_t n, StreamHandle stream) {
  BEGIN("cuMemcpyHtoDAsync");
  if (!is_stream(stream)) return kInvalidHandle;
  if (!is_memory(to, n) || from == nullptr || is_memory(number(from), 0)) return kInvalidValue;
  if (is_pinned(from, n)) return submit(stream, copying(to, true, number(from), false, n));
  if (stream->capture != nullptr && breaks_capture()) return kCaptureUnsupported;
  // Pageable memory is read at once.
  const auto* bytes = static_cast<const unsigned char*>(from);
  const int ordinal = current()->ordinal;
  return submit(stream, [=, copy = std::vector<unsigned char>(bytes, bytes + n)]() -> Result {
    if (!is_on_card(ordinal, to, n)) return kIllegalAddress;
    std::memcpy(reinterpret_cast<void*>(to), copy.data(), n);
    return kSuccess;
  });
}

EXPORT Result cuMemcpyDtoHAsync_v2(void* to, DevicePtr from, std::size_t n, StreamHandle stream) {
  BEGIN("cuMemcpyDtoHAsync");
  if (!is_stream(stream)) return kInvalidHandle;
  if (!is_memory(from, n) || to == nullptr || is_memory(number(to), 0)) return kInvalidValue;
  if (is_pinned(to, n)) return submit(stream, copying(number(to), false, from, true, n));
  if (stream->capture != nullptr && breaks_capture()) return kCaptureUnsupported;
  if (const Result result = drain(stream); result != kSuccess) return result;
  return note(current(), copying(number(to), false, from, true, n)());
}

EXPORT Result cuMemcpyDtoDAsync_v2(DevicePtr to, DevicePtr from, std::size_t n, StreamHandle stream) {
  BEGIN("cuMemcpyDtoDAsync");
  if (!is_stream(stream)) return kInvalidHandle;
  if (!is_memory(to, n) || !is_memory(from, n)) return kInvalidValue;
  return submit(stream, copying(to, true, from, true, n));
}

EXPORT Result cuMemsetD8Async(DevicePtr to, unsigned char byte, std::size_t n, StreamHandle stream) {
  BEGIN("cuMemsetD8Async");
  if (!is_stream(stream)) return kInvalidHandle;
  if (!is_memory(to, n)) return kInvalidValue;
  const int ordinal = current()->ordinal;
  return submit(stream, [=]() -> Result {
    if (!is_on_card(ordinal, to, n)) return kIllegalAddress;
    std::memset(reinterpret_cast<void*>(to), byte, n);
    return kSuccess;
  });
}

// ---- streams, events, graphs
// -------------------------------------------------------------------------------

EXPORT Result cuStreamCreate(StreamHandle* stream, unsigned) {
  BEGIN("cuStreamCreate");
  *stream = keep(new StreamOfDriver{current(), {}, nullptr, true, {}});
  current()->streams.push_back(*stream);
  return kSuccess;
}

EXPORT Result cuStreamDestroy_v2(StreamHandle stream) {
  BEGIN("cuStreamDestroy");
  if (!is_stream(stream)) return kInvalidHandle;
  const Result result = drain(stream);
  std::erase(stream->context->streams, stream);
  drop(stream);
  delete stream;
  return result;
}

EXPORT Result cuStreamSynchronize(StreamHandle stream) {
  BEGIN("cuStreamSynchronize");
  if (!is_stream(stream)) return kInvalidHandle;
  if (breaks_capture()) return kCaptureUnsupported;
  return drain(stream);
}

EXPORT Result cuStreamBeginCapture_v2(StreamHandle stream, int) {
  BEGIN("cuStreamBeginCapture");
  if (!is_stream(stream)) return kInvalidHandle;
  if (stream->capture != nullptr) return kInvalidValue;
  stream->capture = keep(new GraphOfDriver);
  stream->is_capture_valid = true;
  stream->capturer = pthread_self();
  return kSuccess;
}

EXPORT Result cuStreamEndCapture(StreamHandle stream, GraphHandle* graph) {
  BEGIN("cuStreamEndCapture");
  if (!is_stream(stream)) return kInvalidHandle;
  *graph = nullptr;
  GraphHandle captured = stream->capture;
  stream->capture = nullptr;
  if (captured == nullptr) return kCaptureUnmatched;
  if (stream->is_capture_valid) {
    *graph = captured;
    return kSuccess;
  }
  drop(captured);
  delete captured;
  return kCaptureInvalidated;
}

EXPORT Result cuGraphInstantiateWithFlags(GraphExecHandle* exec, GraphHandle graph, unsigned long long) {
  BEGIN("cuGraphInstantiate");
  if (!is_live(graph)) return kInvalidValue;
  *exec = keep(new GraphExecOfDriver{graph->operations});
  return kSuccess;
}

EXPORT Result cuGraphLaunch(GraphExecHandle exec, StreamHandle stream) {
  BEGIN("cuGraphLaunch");
  if (!is_live(exec) || !is_stream(stream)) return kInvalidHandle;
  return submit(stream, [operations = exec->operations]() -> Result {
    for (const Operation& operation : operations) {
      if (const Result result = operation(); result != kSuccess) return result;
    }
    return kSuccess;
  });
}

EXPORT Result cuGraphExecDestroy(GraphExecHandle exec) {
  BEGIN("cuGraphExecDestroy");
  if (!drop(exec)) return kInvalidValue;
  delete exec;
  return kSuccess;
}

EXPORT Result cuGraphDestroy(GraphHandle graph) {
  BEGIN("cuGraphDestroy");
  if (!drop(graph)) return kInvalidValue;
  delete graph;
  return kSuccess;
}

EXPORT Result cuEventCreate(EventHandle* event, unsigned flags) {
  BEGIN("cuEventCreate");
  *event = keep(new EventOfDriver{nullptr, false, false, (flags & kEventDisableTiming) == 0, false, {}});
  return kSuccess;
}

EXPORT Result cuEventDestroy_v2(EventHandle event) {
  BEGIN("cuEventDestroy");
  if (!drop(event)) return kInvalidHandle;
  // An operation on a stream may still hold it: events are few, and stay.
  return kSuccess;
}

EXPORT Result cuEventRecord(EventHandle event, StreamHandle stream) {
  BEGIN("cuEventRecord");
  if (!is_live(event) || !is_stream(stream)) return kInvalidHandle;
  event->stream = stream;
  event->is_done = false;
  event->was_asked = false;
  event->is_captured = stream->capture != nullptr;
  return submit(stream, [event]() -> Result {
    event->is_done = true;
    event->at = std::chrono::steady_clock::now() + std::chrono::milliseconds(settings().slow_ms);
    return kSuccess;
  });
}

EXPORT Result cuEventQuery(EventHandle event) {
  BEGIN("cuEventQuery");
  if (!is_live(event)) return kInvalidHandle;
  if (breaks_capture() || event->is_captured) return kCaptureUnsupported;
  if (event->stream == nullptr) return kSuccess;
  if (!event->is_done && !event->was_asked) {  // a lazy stream is not yet there when first asked
    event->was_asked = true;
    return kNotReady;
  }
  if (!event->is_done) {
    if (const Result result = drain(event->stream); result != kSuccess) return result;
  }
  return std::chrono::steady_clock::now() < event->at ? kNotReady : kSuccess;
}

EXPORT Result cuEventElapsedTime(float* ms, EventHandle begin, EventHandle end) {
  BEGIN("cuEventElapsedTime");
  if (!is_live(begin) || !is_live(end) || !begin->has_timing || !end->has_timing) return kInvalidHandle;
  if (begin->stream == nullptr || end->stream == nullptr) return kInvalidHandle;
  if (!begin->is_done || !end->is_done) return kNotReady;
  *ms = std::chrono::duration<float, std::milli>(end->at - begin->at).count();
  return kSuccess;
}

// ---- kernels
// -----------------------------------------------------------------------------------------------

EXPORT Result cuModuleLoadData(ModuleHandle* module, const void* image) {
  BEGIN("cuModuleLoadData");
  const char* bytes = static_cast<const char*>(image);
  // Machine code is an ELF file, PTX a text; a file with this one word does for a build without either.
  const bool is_known = std::strncmp(bytes, "\177ELF", 4) == 0 || std::strncmp(bytes, "//", 2) == 0 ||
                        std::strncmp(bytes, ".version", 8) == 0 || std::strncmp(bytes, "stand-in", 8) == 0;
  if (!is_known) return kInvalidImage;
  *module = keep(new ModuleOfDriver{current(), {}});
  return kSuccess;
}

EXPORT Result cuModuleUnload(ModuleHandle module) {
  BEGIN("cuModuleUnload");
  if (!is_live(module)) return kInvalidHandle;
  if (const Result result = drain_all(current()); result != kSuccess) return result;
  for (FunctionHandle function : module->functions) {
    drop(function);
    delete function;
  }
  drop(module);
  delete module;
  return kSuccess;
}

EXPORT Result cuModuleGetFunction(FunctionHandle* function, ModuleHandle module, const char* name) {
  BEGIN("cuModuleGetFunction");
  if (!is_live(module)) return kInvalidHandle;
  const hc::Kernel* kernel = hc::Kernel::find(name);
  if (kernel == nullptr) return kNotFound;
  *function = keep(new FunctionOfDriver{current(), kernel, 48 << 10});
  module->functions.push_back(*function);
  return kSuccess;
}

EXPORT Result cuFuncSetAttribute(FunctionHandle function, int attribute, int value) {
  BEGIN("cuFuncSetAttribute");
  if (!is_live(function)) return kInvalidHandle;
  if (attribute != kFunctionMaxDynamicShared || value < 0) return kInvalidValue;
  if (static_cast<unsigned>(value) > shared_limit()) return kInvalidValue;
  function->shared_allowed = static_cast<unsigned>(value);
  return kSuccess;
}

EXPORT Result cuFuncGetAttribute(int* value, int attribute, FunctionHandle function) {
  BEGIN("cuFuncGetAttribute");
  if (!is_live(function)) return kInvalidHandle;
  switch (attribute) {
    case kFunctionMaxThreads:
      *value = static_cast<int>(function->kernel->max_threads);
      return kSuccess;
    case kFunctionRegisters:
      *value = 32;
      return kSuccess;
    case kFunctionLocalBytes:
      *value = 0;
      return kSuccess;
    default:
      return kInvalidValue;
  }
}

EXPORT Result cuFuncGetParamInfo(FunctionHandle function, std::size_t index, std::size_t* offset,
                                 std::size_t* size) {
  BEGIN("cuFuncGetParamInfo");
  if (!is_live(function)) return kInvalidHandle;
  if (index != 0) return kInvalidValue;
  *offset = 0;
  *size = function->kernel->n_args_bytes;
  return kSuccess;
}

EXPORT Result cuLaunchKernelEx(const LaunchConfig* config, FunctionHandle function, void** arguments,
                               void**) {
  BEGIN("cuLaunchKernelEx");
  if (!is_live(function) || !is_stream(config->stream)) return kInvalidHandle;
  hc::Launch launch;
  launch.grid = dim3(config->grid[0], config->grid[1], config->grid[2]);
  launch.dim = dim3(config->block[0], config->block[1], config->block[2]);
  launch.shared_bytes = config->shared_bytes;
  for (unsigned i = 0; i < config->n_attributes; ++i) {
    const LaunchAttribute& attribute = config->attributes[i];
    if (attribute.id == kAttributeCooperative) launch.all_blocks = attribute.value.number != 0;
  }
  const hc::Kernel& kernel = *function->kernel;
  if (launch.grid.count() == 0 || launch.dim.count() == 0) return kInvalidValue;
  if (config->grid[0] > 0x7fffffffu || config->grid[1] > 65535 || config->grid[2] > 65535)
    return kInvalidValue;
  if (launch.dim.count() > 1024) return kInvalidValue;
  if (launch.dim.count() > kernel.max_threads) return kLaunchOutOfResources;
  if (launch.shared_bytes > function->shared_allowed) return kInvalidValue;
  const auto* bytes = static_cast<const unsigned char*>(arguments[0]);
  return submit(config->stream,
                [&kernel, launch, args = std::vector<unsigned char>(bytes, bytes + kernel.n_args_bytes)] {
                  return run_kernel(kernel, launch, args);
                });
}

// ---- for tests
// ---------------------------------------------------------------------------------------------

EXPORT int standin_set(const char* name, const char* value) {
  const std::lock_guard lock(world().mutex);
  return set(name, value) ? 0 : 1;
}

// What the last kernel that failed did wrong.
EXPORT const char* standin_words() { return world().words.c_str(); }

EXPORT std::uint64_t standin_count(const char* what) {
  const std::lock_guard lock(world().mutex);
  const std::string name = what;
  if (name == "calls") return world().n_calls;
  if (name == "launches") return world().n_launches;
  if (name == "allocations") return n_allocations();
  if (name == "pinned") return n_pinned();
  if (name == "handles") return world().live.size();
  return ~std::uint64_t{0};
}
