#include "ops/cuda/images.h"

#include <cstdint>

namespace ossnb::cuda {

#ifdef OSSNB_CUDA_IMAGES  // a list of IMAGE(id, file, architecture, is PTX, path), written by
                          // cmake/cuda.cmake

// The assembler takes a file's bytes as they are, in no time; an array in C++ would take the compiler
// minutes.
#define IMAGE(id, file, arch, is_ptx, path)                                                        \
  asm(".section .rodata\n.balign 64\nossnb_image_" #id ":\n.incbin \"" path "\"\nossnb_image_" #id \
      "_end:\n.byte 0\n.balign 8\nossnb_image_" #id "_size:\n.quad ossnb_image_" #id               \
      "_end - ossnb_image_" #id "\n.previous");
#include OSSNB_CUDA_IMAGES
#undef IMAGE

namespace {
extern "C" {
#define IMAGE(id, file, arch, is_ptx, path)                                \
  [[gnu::visibility("hidden")]] extern const std::byte ossnb_image_##id[]; \
  [[gnu::visibility("hidden")]] extern const std::uint64_t ossnb_image_##id##_size;
#include OSSNB_CUDA_IMAGES
#undef IMAGE
}
}  // namespace

std::span<const Image> images() {
#define IMAGE(id, file, arch, is_ptx, path) \
  Image{file, arch, is_ptx, {ossnb_image_##id, ossnb_image_##id##_size}},
  static const Image all[] = {
#include OSSNB_CUDA_IMAGES
  };
#undef IMAGE
  return all;
}

#else

std::span<const Image> images() { return {}; }

#endif

}  // namespace ossnb::cuda
