// Streams, graphs and events.
#include "standin_world.h"

using namespace standin;

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
  destroy(stream);
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
  destroy(captured);
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
  return destroy(exec) ? kSuccess : kInvalidValue;
}

EXPORT Result cuGraphDestroy(GraphHandle graph) {
  BEGIN("cuGraphDestroy");
  return destroy(graph) ? kSuccess : kInvalidValue;
}

EXPORT Result cuEventCreate(EventHandle* event, unsigned flags) {
  BEGIN("cuEventCreate");
  *event = keep(new EventOfDriver{std::make_shared<EventState>()});
  (*event)->state->has_timing = (flags & kEventDisableTiming) == 0;
  return kSuccess;
}

EXPORT Result cuEventDestroy_v2(EventHandle event) {
  BEGIN("cuEventDestroy");
  return destroy(event) ? kSuccess : kInvalidHandle;
}

EXPORT Result cuEventRecord(EventHandle event, StreamHandle stream) {
  BEGIN("cuEventRecord");
  if (!is_live(event) || !is_stream(stream)) return kInvalidHandle;
  EventState& state = *event->state;
  state.stream = stream;
  state.is_done = state.was_asked = false;
  state.is_captured = stream->capture != nullptr;
  return submit(stream, [state = event->state]() -> Result {
    state->is_done = true;
    state->at = std::chrono::steady_clock::now() + std::chrono::milliseconds(settings().slow_ms);
    return kSuccess;
  });
}

EXPORT Result cuEventQuery(EventHandle event) {
  BEGIN("cuEventQuery");
  if (!is_live(event)) return kInvalidHandle;
  EventState& state = *event->state;
  if (breaks_capture() || state.is_captured) return kCaptureUnsupported;
  if (state.stream == nullptr) return kSuccess;
  if (!is_live(state.stream)) return kInvalidHandle;
  if (!state.is_done && !state.was_asked) {  // a lazy stream is not yet there when first asked
    state.was_asked = true;
    return kNotReady;
  }
  if (!state.is_done) {
    if (const Result result = drain(state.stream); result != kSuccess) return result;
  }
  return std::chrono::steady_clock::now() < state.at ? kNotReady : kSuccess;
}

EXPORT Result cuEventElapsedTime(float* ms, EventHandle begin, EventHandle end) {
  BEGIN("cuEventElapsedTime");
  if (!is_live(begin) || !is_live(end)) return kInvalidHandle;
  const EventState &from = *begin->state, &to = *end->state;
  if (!from.has_timing || !to.has_timing || from.stream == nullptr || to.stream == nullptr)
    return kInvalidHandle;
  if (!from.is_done || !to.is_done) return kNotReady;
  *ms = std::chrono::duration<float, std::milli>(to.at - from.at).count();
  return kSuccess;
}
