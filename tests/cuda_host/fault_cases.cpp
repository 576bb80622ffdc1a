#include "base/error.h"
#include "cases.h"
#include "smoke.h"

namespace ossnb::cuda::testing {
namespace {

void planted(Fault fault, const char* words) {
  {
    const auto card = Card::open(0);
    const Kernel<SumArgs> kernel(card, "smoke_sum");
    DeviceArray<int> x(card, 512), out(card, 4);
    const std::string message = message_of<DeviceLost>([&] {
      kernel.launch(2, 256, 32, {x.data(), out.data(), 4, 8, fault});
      card->wait();
    });
    OSSNB_REQUIRE(has(message, "load the model again"));
    OSSNB_REQUIRE(has(stand_in()->words(), words));
    message_of<DeviceLost>([&] { card->memory_free(); });
  }
  Card::open(0)->wait();  // after the last user, the card is whole again
}

}  // namespace

void add_fault_cases(Cases& cases) {
  cases.push_back({"fault: misses_barrier", [] { planted(kMissesBarrier, "waits at __syncthreads"); }});
  cases.push_back({"fault: writes_too_far", [] { planted(kWritesTooFar, "which is not its own"); }});
  cases.push_back({"fault: writes_too_far in shared memory",
                   [] { planted(kWritesTooFarShared, "which is not its own"); }});
}

}  // namespace ossnb::cuda::testing
