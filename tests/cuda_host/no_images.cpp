// A program without machine code: the stand-in has the kernels itself.
#include "ops/cuda/images.h"

namespace ossnb::cuda {

std::span<const Image> images() { return {}; }

}  // namespace ossnb::cuda
