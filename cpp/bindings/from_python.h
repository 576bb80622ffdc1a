// What Python says in dicts and strings, in the engine's terms.
#pragma once

#include <string>

#include "bindings/bind.h"
#include "data/config.h"
#include "data/weights.h"
#include "ops/packing.h"

namespace ossnb {

Config config_from(const py::dict& config);
Precision precision_from(const std::string& name);  // ValueError for a name that is none
// The array of that name; one without data where there is none.
Tensor tensor_from(const py::dict& tensors, const std::string& name);

}  // namespace ossnb
