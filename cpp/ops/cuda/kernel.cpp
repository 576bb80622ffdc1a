#include "ops/cuda/kernel.h"

#include "base/error.h"
#include "ops/cuda/stopwatch.h"

namespace ossnb::cuda {

namespace {

// What dev::take_turn needs: the instruction, and graphs that keep the dependence it stands for.
constexpr int kTurnsFromPtx = 90, kTurnsFromDriver = 12030;

}  // namespace

AnyKernel::AnyKernel(std::shared_ptr<const Card> card, const char* name, std::size_t n_args_bytes)
    : card_(std::move(card)), name_(name), function_(card_->function(name)) {
  waits_for_turn_ =
      card_->driver().version >= kTurnsFromDriver && attribute(kFunctionPtxVersion) >= kTurnsFromPtx;
  const auto ask = card_->driver().cuFuncGetParamInfo;
  if (ask == nullptr) return;  // the driver is too old to tell
  const Card::Current current(*card_);
  std::size_t offset = 0, size = 0;
  card_->check(ask(function_, 0, &offset, &size), "asking for the argument of the kernel", name);
  if (size != n_args_bytes) {
    throw DeviceFailure("the kernel " + std::string(name) + " takes " + std::to_string(size) +
                        " bytes, and this program has " + std::to_string(n_args_bytes) +
                        " for it: the kernels are of another build than the program");
  }
}

int AnyKernel::attribute(int which) const {
  const Card::Current current(*card_);
  int value = 0;
  card_->check(card_->driver().cuFuncGetAttribute(&value, which, function_), "asking about the kernel",
               name_);
  return value;
}

void AnyKernel::allow_shared(std::size_t n_bytes) const {
  if (n_bytes > card_->info().shared_limit) {
    throw DeviceFailure("the kernel " + std::string(name_) + " wants " + std::to_string(n_bytes) +
                        " bytes of shared memory, and " + card_->info().title() + " has " +
                        std::to_string(card_->info().shared_limit) + " for a block");
  }
  card_->check(
      card_->driver().cuFuncSetAttribute(function_, kFunctionMaxDynamicShared, static_cast<int>(n_bytes)),
      "asking for shared memory of the kernel", name_);
  shared_allowed_ = n_bytes;
}

void AnyKernel::launch(Shape grid, Shape block, std::size_t shared_bytes, const void* args,
                       Start start) const {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  const Card::Current current(*card_);
  if (shared_bytes > shared_allowed_) allow_shared(shared_bytes);
  LaunchConfig config = {{grid.x, grid.y, grid.z},
                         {block.x, block.y, block.z},
                         static_cast<unsigned>(shared_bytes),
                         card_->stream(),
                         nullptr,
                         0};
  LaunchAttribute attribute = {};
  if (start == Start::together || waits_for_turn_) {
    attribute.id = start == Start::together ? kAttributeCooperative : kAttributeProgrammaticSerialization;
    attribute.value.number = 1;
    config.attributes = &attribute;
    config.n_attributes = 1;
  }
  void* arguments[] = {const_cast<void*>(args)};  // the driver copies them
  const auto put = [&] {
    card_->check(card_->driver().cuLaunchKernelEx(&config, function_, arguments, nullptr), "the kernel",
                 name_);
  };
  if (!are_timed()) return put();
  Event before(card_, Event::Use::timing), after(card_, Event::Use::timing);
  before.record();
  put();
  after.record();
  card_->wait(after);
  add_time(name_, after.ms_since(before));
}

Event::Event(std::shared_ptr<const Card> card, Use use) : card_(std::move(card)) {
  const Card::Current current(*card_);
  card_->check(
      card_->driver().cuEventCreate(&handle_, use == Use::timing ? kEventDefault : kEventDisableTiming),
      "the making of an event");
}

Event::~Event() { card_->dispose(card_->driver().cuEventDestroy, handle_); }

void Event::record() {
  const Card::Current current(*card_);
  card_->check(card_->driver().cuEventRecord(handle_, card_->stream()), "the record of an event");
}

bool Event::is_done() const {
  const Card::Current current(*card_);
  const Result result = card_->driver().cuEventQuery(handle_);
  if (result == kNotReady) return false;
  card_->check(result, "the work on the card");
  return true;
}

float Event::ms_since(const Event& before) const {
  const Card::Current current(*card_);
  float ms = 0;
  card_->check(card_->driver().cuEventElapsedTime(&ms, before.handle_, handle_), "the timing of events");
  return ms;
}

Graph Graph::capture(std::shared_ptr<const Card> card, const std::function<void()>& launches) {
  const Card::Current current(*card);
  const Driver& driver = card->driver();
  std::unique_lock recording(card->recording());
  card->check(driver.cuStreamBeginCapture(card->stream(), kCaptureThreadLocal), "the begin of a graph");
  GraphHandle captured = nullptr;
  try {
    launches();
  } catch (...) {  // the stream has to leave the capture, whatever went wrong
    if (driver.cuStreamEndCapture(card->stream(), &captured) == kSuccess && captured != nullptr) {
      driver.cuGraphDestroy(captured);
    }
    throw;
  }
  card->check(driver.cuStreamEndCapture(card->stream(), &captured), "the end of a graph");
  recording.unlock();
  Graph graph;
  graph.card_ = std::move(card);
  const Result result = driver.cuGraphInstantiate(&graph.handle_, captured, 0);
  driver.cuGraphDestroy(captured);
  graph.card_->check(result, "the making of a graph");
  return graph;
}

Graph::~Graph() {
  if (card_ != nullptr) card_->dispose(card_->driver().cuGraphExecDestroy, handle_);
}

void Graph::replay() const {
  const Card::Current current(*card_);
  card_->check(card_->driver().cuGraphLaunch(handle_, card_->stream()), "the replay of a graph");
}

}  // namespace ossnb::cuda
