// The attention's half of a layer.
#pragma once

#include "ops/cpu/activations.h"
#include "ops/cpu/dense.h"

namespace ossnb {

void attn_in(const CpuContext& cpu, Activations& a, const DenseLayer& dense, int layer);
void attend(const CpuContext& cpu, Activations& a, int layer);
void attn_out(const CpuContext& cpu, Activations& a, const DenseLayer& dense);

}  // namespace ossnb
