#include "ops/cuda/modules.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>

#include "ops/cuda/images.h"

namespace ossnb::cuda {
namespace {

// Machine code runs on its own capability and on later ones of the same major number; PTX runs on all later
// ones.
bool runs_on(const Image& image, int capability) {
  if (image.arch > capability) return false;
  return image.is_ptx || image.arch / 10 == capability / 10;
}

// Machine code comes before PTX, which the driver has to compile first; then what is nearest.
int rank(const Image& image) { return image.arch + (image.is_ptx ? 0 : 1000); }

}  // namespace

Code code_for(int major, int minor) {
  Code code;
  const int capability = 10 * major + minor;
  const std::string its = std::to_string(major) + "." + std::to_string(minor);
  if (capability < kLeastCapability) {
    code.why_none = "its compute capability is " + its + ", and 7.5 or later is needed";
    return code;
  }
  if (const char* file = std::getenv("OSSNB_CUDA_KERNELS"); file != nullptr && *file != '\0') {
    std::ifstream in(file, std::ios::binary);
    code.from_file.assign(std::istreambuf_iterator<char>(in), {});
    if (code.from_file.empty()) {
      code.why_none = std::string("OSSNB_CUDA_KERNELS names ") + file + ", which cannot be read or is empty";
    } else {
      code.files.push_back({code.from_file.data()});
    }
    return code;
  }
  std::map<std::string_view, std::vector<const Image*>> fitting;  // of each file
  for (const Image& image : images()) {
    std::vector<const Image*>& known = fitting[image.file];
    if (runs_on(image, capability)) known.push_back(&image);
  }
  if (fitting.empty()) code.why_none = "this build of ossnb has no kernels for CUDA";
  for (auto& [name, known] : fitting) {
    std::ranges::sort(known, std::greater<>{}, [](const Image* image) { return rank(*image); });
    Code::Ways& ways = code.files.emplace_back();
    for (const Image* image : known) ways.push_back(image->bytes.data());
    if (ways.empty()) {
      code.why_none = "this build of ossnb has no kernels for its compute capability, " + its;
    }
  }
  return code;
}

}  // namespace ossnb::cuda
