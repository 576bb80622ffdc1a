// The machine code of the kernels, as data in this program.
#pragma once

#include <cstddef>
#include <span>

namespace ossnb::cuda {

struct Image {
  int arch;  // 89 is sm_89
  std::span<const std::byte> bytes;
  bool is_ptx;
};

std::span<const Image> images();

}  // namespace ossnb::cuda
