// The extension that ossnb is installed with.
#include "bindings/bind.h"
#include "ops/cuda/cuda_device.h"

PYBIND11_MODULE(_core, m) {
  ossnb::register_device(ossnb::cuda_device());
  ossnb::bind_core(m);
}
