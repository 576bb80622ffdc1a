// What the functions of the stand-in share: what a handle points to, the lock, and what stands against a
// call.
#pragma once

#include <pthread.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "host_cuda.h"
#include "standin.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

// With the types of driver.h: a definition that has others does not compile.
using namespace ossnb::cuda;
#define OSSNB_DECLARE(name, symbol, ...) EXPORT Result symbol(__VA_ARGS__);
OSSNB_CUDA_FUNCTIONS(OSSNB_DECLARE)
OSSNB_CUDA_NEWER_FUNCTIONS(OSSNB_DECLARE)
#undef OSSNB_DECLARE

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

// An operation on a stream may outlive the event that it records.
struct EventState {
  StreamHandle stream = nullptr;  // null: never recorded
  bool has_timing = false, is_done = false, is_captured = false, was_asked = false;
  std::chrono::steady_clock::time_point at;
};
struct EventOfDriver {
  std::shared_ptr<EventState> state;
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

constexpr int kMostCards = 8;

// What a handle is, to whoever destroys all that a context has.
struct Owned {
  ContextHandle context;
  void (*destroy)(const void* handle);
};

struct World {
  std::recursive_mutex mutex;
  pid_t begun_by = 0;  // 0: cuInit was not called
  ContextOfDriver contexts[kMostCards] = {};
  std::map<const void*, Owned> live;  // handles
  std::uint64_t n_calls = 0, n_launches = 0, n_in_turn = 0;
  std::string words;  // what the last kernel that failed did wrong
};
World& world();

std::vector<ContextHandle>& nested();  // of this thread
inline ContextHandle current() { return nested().empty() ? nullptr : nested().back(); }

enum class Needs { nothing, init, context };

// One call of a function: what stands against it, and the lock.
class Call {
 public:
  explicit Call(const char* function, Needs needs = Needs::context);
  Result result;

 private:
  std::unique_lock<std::recursive_mutex> lock_;
};

#define BEGIN(...)              \
  const Call call(__VA_ARGS__); \
  if (call.result != kSuccess) return call.result

template <class Object>
Object* keep(Object* made) {
  world().live[made] = {current(), [](const void* handle) { delete static_cast<const Object*>(handle); }};
  return made;
}
inline bool is_live(const void* handle) { return world().live.count(handle) != 0; }
bool destroy(const void* handle);
void destroy_all(ContextHandle context);  // its handles and its memory

// Puts an operation on the stream: it runs at once, when somebody waits, or at each replay of a graph.
Result submit(StreamHandle stream, Operation operation);
// Runs what waits on the stream, or on all streams.
Result drain(StreamHandle stream);
Result drain_all(ContextHandle context);
// The result; one that breaks the context is kept there.
Result note(ContextHandle context, Result result);
bool is_stream(StreamHandle stream);
// Whether this thread captures; what it calls is not allowed then, and the capture is lost.
bool breaks_capture();

unsigned shared_limit();  // bytes that a block may have

}  // namespace standin
