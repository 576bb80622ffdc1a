#include "ops/device.h"

#include <deque>

#include "base/error.h"
#include "ops/cpu/cpu_device.h"

namespace ossnb {

namespace {

std::deque<DeviceKind>& kinds() {  // a deque, so that references stay good
  static std::deque<DeviceKind> kinds = {cpu_device()};
  return kinds;
}

}  // namespace

void register_device(DeviceKind kind) { kinds().push_back(std::move(kind)); }

const DeviceKind& device_kind(const std::string& name) {
  std::string names;
  for (const DeviceKind& kind : kinds()) {
    if (kind.name == name.substr(0, name.find(':'))) return kind;
    names += (names.empty() ? "" : ", ") + kind.name;
  }
  throw ValueError("there is no device '" + name + "'; choose one of: " + names);
}

int device_ordinal(const std::string& name) {
  const std::size_t colon = name.find(':');
  if (colon == std::string::npos) return 0;
  const std::string digits = name.substr(colon + 1);
  const bool is_number =
      !digits.empty() && digits.size() < 5 && digits.find_first_not_of("0123456789") == std::string::npos;
  if (!is_number) {
    throw ValueError("there is no device '" + name + "'; expected a number behind the colon, as in 'cuda:1'");
  }
  return std::stoi(digits);
}

}  // namespace ossnb
