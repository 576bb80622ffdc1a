// ossnb._core with a second device: what tests/test_devices.py puts in its place.
#include "bindings/bind.h"
#include "plain_device.h"

PYBIND11_MODULE(_core, m) {
  ossnb::register_device(ossnb::testing::plain_device());
  ossnb::bind_core(m);
}
