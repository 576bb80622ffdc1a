// The processor itself.
#pragma once

#include "ops/device.h"

namespace ossnb {

DeviceKind cpu_device();

}  // namespace ossnb
