// The experts' half of a layer.
#pragma once

#include "ops/cpu/activations.h"

namespace ossnb {

void route(const CpuContext& cpu, Activations& a, int layer);
void run_experts(const CpuContext& cpu, Activations& a, int layer);

}  // namespace ossnb
