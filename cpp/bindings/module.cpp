// ossnb._core: a table of contents. python/ossnb/_core.pyi documents every name.
#include "base/error.h"
#include "bindings/bind.h"

PYBIND11_MODULE(_core, m) {
  m.attr("__version__") = OSSNB_VERSION;
  pybind11::register_exception<ossnb::Cancelled>(m,
                                                 "Cancelled");  // std::invalid_argument is ValueError already
  ossnb::bind_derive(m);
  ossnb::bind_kernels(m);
  ossnb::bind_machine(m);
  ossnb::bind_model(m);
  ossnb::bind_sampler(m);
}
