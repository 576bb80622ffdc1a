// The machine code that a card gets: the kernels that this program holds (images.h), or the file that the
// environment variable OSSNB_CUDA_KERNELS names.
#pragma once

#include <string>
#include <vector>

#include "ops/cuda/driver.h"

namespace ossnb::cuda {

struct Code {
  using Ways = std::vector<const void*>;  // the driver may refuse the first, and take the next
  std::vector<Ways> files;                // one of each is needed
  std::string from_file;                  // what these point to, if they come from a file
  std::string why_none;                   // for a card that none of them fits
};

// For a card of the compute capability `major`.`minor`.
Code code_for(int major, int minor);

// The least capability that the kernels are written for: 7.5.
constexpr int kLeastCapability = 75;

}  // namespace ossnb::cuda
