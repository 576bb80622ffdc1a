// The extension that ossnb is installed with: the CPU alone.
#include "bindings/bind.h"

PYBIND11_MODULE(_core, m) { ossnb::bind_core(m); }
