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
    if (kind.name == name) return kind;
    names += (names.empty() ? "" : ", ") + kind.name;
  }
  throw ValueError("there is no device '" + name + "'; choose one of: " + names);
}

}  // namespace ossnb
