// KvStore and Sequence: keys and values by handle.
#include "bindings/bind.h"
#include "bindings/bound_sequence.h"

namespace ossnb {

void bind_kv(py::module_& m) {
  using Blocks = std::vector<BlockId>;
  py::class_<KvStore, std::shared_ptr<KvStore>>(m, "KvStore")
      .def_property_readonly("block_tokens", &KvStore::block_tokens)
      .def_property_readonly("block_bytes", &KvStore::block_bytes)
      .def_property_readonly("n_blocks", &KvStore::n_blocks)
      .def_property_readonly("used_bytes", &KvStore::used_bytes)
      .def(
          "retain", [](KvStore& s, const Blocks& blocks) { s.retain(blocks); }, py::arg("blocks"))
      .def(
          "release", [](KvStore& s, const Blocks& blocks) { s.release(blocks); }, py::arg("blocks"))
      .def("references", &KvStore::references, py::arg("block"));

  py::class_<BoundSequence, SequencePtr>(m, "Sequence")
      .def_property_readonly("length", &BoundSequence::length)
      .def_property_readonly("n_bytes", &BoundSequence::n_bytes)
      .def_property_readonly("blocks", &BoundSequence::blocks)
      .def("fork", [](BoundSequence& s) { return std::make_shared<BoundSequence>(s.idle().fork()); })
      .def("rewind", [](BoundSequence& s, int length) { s.idle().rewind(length); }, py::arg("length"));
}

}  // namespace ossnb
