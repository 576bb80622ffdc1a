// The machine code of the GPU's kernels, embedded in this program.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace ossnb::cuda {

// What a .cu file was compiled to. Machine code of architecture 80 (8.0) runs on the cards whose major number
// is the same and whose minor number is not less: 8.0, 8.6, 8.7, 8.9. PTX is for every newer card; the driver
// compiles it.
struct Image {
  std::string_view file;  // the .cu file's name, without its end
  int arch;               // ten times the card's capability: 75, 80, 89, 90, 100, 120
  bool is_ptx;
  std::span<const std::byte> bytes;  // a zero byte follows, which ends PTX as the driver wants it
};

// All images, file by file. None where the program was built without nvcc.
std::span<const Image> images();

}  // namespace ossnb::cuda
