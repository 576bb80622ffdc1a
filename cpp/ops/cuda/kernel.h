// What a card runs: kernels, graphs of kernels, and events between them. All of it goes on the card's stream.
#pragma once

#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include "ops/cuda/card.h"

namespace ossnb::cuda {

struct Shape {
  unsigned x = 1, y = 1, z = 1;
  Shape(unsigned the_x, unsigned the_y = 1, unsigned the_z = 1) : x(the_x), y(the_y), z(the_z) {}
};

enum class Start {
  in_turn,   // it computes when what stands before it on the stream has ended; on sm_90 and later its blocks
             // come in before, and wait (dev::take_turn)
  together,  // all blocks at once, so that they may wait for each other
};

class AnyKernel {
 public:
  // DeviceFailure if there is no such kernel, or if its argument has another size.
  AnyKernel(std::shared_ptr<const Card> card, const char* name, std::size_t n_args_bytes);

  const char* name() const { return name_; }
  int registers() const { return attribute(kFunctionRegisters); }     // of a thread
  int local_bytes() const { return attribute(kFunctionLocalBytes); }  // of a thread: spilled registers, stack
  int max_threads() const { return attribute(kFunctionMaxThreads); }  // of a block

 protected:
  void launch(Shape grid, Shape block, std::size_t shared_bytes, const void* args, Start start) const;

 private:
  int attribute(int which) const;
  void allow_shared(std::size_t n_bytes) const;

  std::shared_ptr<const Card> card_;
  const char* name_;
  FunctionHandle function_;
  bool waits_for_turn_;
  mutable std::size_t shared_allowed_ = 48 << 10;  // what every kernel may have
};

// An OSSNB_KERNEL(name, Args, ...).
template <class Args>
class Kernel : public AnyKernel {
  static_assert(std::is_trivially_copyable_v<Args> && std::is_standard_layout_v<Args>);

 public:
  Kernel(std::shared_ptr<const Card> card, const char* name)
      : AnyKernel(std::move(card), name, sizeof(Args)) {}

  // Puts it on the stream; `args` are copied. An empty grid launches nothing.
  void launch(Shape grid, Shape block, std::size_t shared_bytes, const Args& args,
              Start start = Start::in_turn) const {
    AnyKernel::launch(grid, block, shared_bytes, &args, start);
  }
};

// A point on the stream.
class Event {
 public:
  enum class Use { waiting, timing };
  explicit Event(std::shared_ptr<const Card> card, Use use = Use::waiting);
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  void record();
  bool is_done() const;
  // Milliseconds from `before` to this one. Both are for timing, recorded and done.
  float ms_since(const Event& before) const;

  EventHandle handle() const { return handle_; }

 private:
  std::shared_ptr<const Card> card_;
  EventHandle handle_ = nullptr;
};

// What a function puts on the stream, kept and repeated as one. Arguments of kernels are those of the
// capture; what they point to is read at each replay. The function must not wait, allocate, free or use
// pageable memory.
class Graph {
 public:
  Graph() = default;
  static Graph capture(std::shared_ptr<const Card> card, const std::function<void()>& launches);
  ~Graph();
  Graph(Graph&& other) noexcept { swap(other); }
  Graph& operator=(Graph&& other) noexcept {
    Graph taken(std::move(other));
    swap(taken);
    return *this;
  }

  explicit operator bool() const { return handle_ != nullptr; }
  void replay() const;

 private:
  void swap(Graph& other) noexcept {
    std::swap(card_, other.card_);
    std::swap(handle_, other.handle_);
  }

  std::shared_ptr<const Card> card_;
  GraphExecHandle handle_ = nullptr;
};

}  // namespace ossnb::cuda
