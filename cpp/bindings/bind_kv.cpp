// KvStore and Sequence: keys and values by handle.
#include "base/error.h"
#include "bindings/bind.h"
#include "bindings/bound_sequence.h"

namespace ossnb {

void bind_kv(py::module_& m) {
  using Blocks = std::vector<BlockId>;
  using Bytes = py::array_t<std::uint8_t, py::array::c_style>;
  py::class_<KvStore, std::shared_ptr<KvStore>>(m, "KvStore")
      .def_property_readonly("block_tokens", &KvStore::block_tokens)
      .def_property_readonly("block_bytes", &KvStore::block_bytes)
      .def_property_readonly("n_blocks", &KvStore::n_blocks)
      .def_property_readonly("used_bytes", &KvStore::used_bytes)
      .def("host_bytes", &KvStore::host_bytes, py::arg("n_new"))
      .def(
          "retain", [](KvStore& s, const Blocks& blocks) { s.retain(blocks); }, py::arg("blocks"))
      .def(
          "release", [](KvStore& s, const Blocks& blocks) { s.release(blocks); }, py::arg("blocks"))
      .def("references", &KvStore::references, py::arg("block"))
      .def(
          "read",
          [](const KvStore& s, BlockId block) {
            Bytes bytes(static_cast<py::ssize_t>(s.block_bytes()));
            auto* out = reinterpret_cast<std::byte*>(bytes.mutable_data());
            {
              const GilFree unlocked;  // a card's copy waits for the pass before it
              s.read(block, out);
            }
            return bytes;
          },
          py::arg("block"))
      .def(
          "make_from",
          [](KvStore& s, const Bytes& bytes) {
            if (bytes.ndim() != 1 || static_cast<std::size_t>(bytes.size()) != s.block_bytes()) {
              throw ValueError("a block has " + std::to_string(s.block_bytes()) + " bytes, got " +
                               std::to_string(bytes.size()));
            }
            const auto* from = reinterpret_cast<const std::byte*>(bytes.data());
            const GilFree unlocked;
            return s.make_from(from);
          },
          py::arg("bytes").noconvert());

  py::class_<BoundSequence, SequencePtr>(m, "Sequence")
      .def_property_readonly("length", &BoundSequence::length)
      .def_property_readonly("n_bytes", &BoundSequence::n_bytes)
      .def_property_readonly("blocks", &BoundSequence::blocks)
      .def("fork", [](BoundSequence& s) { return std::make_shared<BoundSequence>(s.idle().fork()); })
      .def("rewind", [](BoundSequence& s, int length) { s.idle().rewind(length); }, py::arg("length"));
}

}  // namespace ossnb
