// A second device, to show that nothing above ops/device.h knows the first: plain loops, one thread, its own
// keys and values, no packed copies, no screen.
#pragma once

#include "ops/device.h"

namespace ossnb::testing {

DeviceKind plain_device();

}  // namespace ossnb::testing
