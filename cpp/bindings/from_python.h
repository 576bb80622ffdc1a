// Turns Python's dicts and strings into the engine's types.
#pragma once

#include <string>

#include "bindings/bind.h"
#include "data/config.h"
#include "data/weights.h"
#include "format/kv.h"
#include "ops/packing.h"

namespace ossnb {

Config config_from(const py::dict& config);
Precision precision_from(const std::string& name);  // ValueError for an unknown name
KvFormat kv_format_from(const std::string& name);
// The array of that name, or one without data.
Tensor tensor_from(const py::dict& tensors, const std::string& name);

}  // namespace ossnb
