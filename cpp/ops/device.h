// A device computes a pass, owns keys and values, and says how matrices are packed for it. No code above this
// folder knows which device it works with.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "data/config.h"
#include "data/kv.h"
#include "data/weights.h"
#include "format/kv.h"
#include "ops/ops.h"
#include "ops/packing.h"

namespace ossnb {

struct DeviceOptions {
  Precision precision = Precision::exact;
  KvFormat kv = KvFormat::float32;
  int n_threads = 1;
  int host_layers = 0;            // whose experts the CPU computes, on a device without room for them
  std::size_t device_memory = 0;  // the most bytes of its own memory that it takes; 0: no limit
  std::size_t kv_memory =
      0;            // the most of it for keys and values, what fits not is with the host; 0: no limit
  int ordinal = 0;  // which of several, "cuda:1"
  std::string isa;  // a level of the kernels, "" for OSSNB_ISA or the best
  std::function<bool()> poll = nullptr;  // while the device is made, as `set_poll` has it for a pass
};

class Device {
 public:
  virtual ~Device() = default;
  virtual Ops& ops() = 0;
  virtual std::shared_ptr<KvStore> kv() = 0;  // outlives the device while a sequence holds it

  // The cancelling of a pass: while a call of ops() computes, `poll` is called about every 10 ms, on the
  // calling thread. When it returns true, the call throws Cancelled. A null function ends that.
  virtual void set_poll(std::function<bool()> poll) = 0;

  virtual int threads() const = 0;
  virtual void set_threads(int n) = 0;
  virtual std::string isa() const = 0;  // the level that it computes with, for people
};

// How to make devices of a kind. `config` and `weights` outlive the device, and so do the arrays that `find`
// gives: packed copies of the weights, under the names of `packings`.
struct DeviceKind {
  std::string name;
  std::function<std::unique_ptr<Device>(const Config& config, const Weights& weights,
                                        const Weights::Find& find, const DeviceOptions& options)>
      make;
  std::function<std::vector<Packing>(const Config& config, Precision precision)> packings;
};

// "cpu" is always there. The program's start (bindings/module.cpp) registers other kinds before the first
// model. It does so by a call, since the linker may leave out a static object, or make it too late.
void register_device(DeviceKind kind);

// The kind of that name, as in "cuda" or "cuda:1"; ValueError names the known kinds.
const DeviceKind& device_kind(const std::string& name);

// The number behind the colon, 0 without one; ValueError for anything else.
int device_ordinal(const std::string& name);

}  // namespace ossnb
