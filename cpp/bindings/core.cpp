// ossnb._core: a table of contents. python/ossnb/_core.pyi documents every name.
#include "base/error.h"
#include "bindings/bind.h"

namespace ossnb {

void bind_core(py::module_& m) {
  m.attr("__version__") = OSSNB_VERSION;
  py::register_exception<Cancelled>(m, "Cancelled");  // std::invalid_argument is ValueError already
  bind_cards(m);
  bind_files(m);
  bind_kernels(m);
  bind_kv(m);
  bind_machine(m);
  bind_packing(m);
  bind_sampler(m);
  bind_step(m);
  bind_words(m);
  bind_model(m);
}

}  // namespace ossnb
