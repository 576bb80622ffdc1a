#include "standin_world.h"

namespace standin {

World& world() {
  static auto* one = new World;  // handles may be given back while the process ends
  return *one;
}

std::vector<ContextHandle>& nested() {
  static thread_local std::vector<ContextHandle> of_this_thread;
  return of_this_thread;
}

Call::Call(const char* function, Needs needs) {
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

bool destroy(const void* handle) {
  const auto found = world().live.find(handle);
  if (found == world().live.end()) return false;
  found->second.destroy(handle);
  world().live.erase(found);
  return true;
}

void destroy_all(ContextHandle context) {
  context->streams.clear();
  for (auto at = world().live.begin(); at != world().live.end();) {
    const auto [handle, owned] = *at++;
    if (owned.context == context) destroy(handle);
  }
  release_all(context->ordinal);
}

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

}  // namespace standin
