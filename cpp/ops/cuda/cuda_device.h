// The CUDA device: the same bits as the CPU's, on a card.
#pragma once

#include "ops/device.h"

namespace ossnb {

DeviceKind cuda_device();

}  // namespace ossnb
