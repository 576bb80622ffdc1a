// Makes packed copies for python/ossnb/checkpoint/packed.py, which keeps them.
#include "base/error.h"
#include "bindings/bind.h"
#include "bindings/from_python.h"
#include "format/mxfp4.h"
#include "ops/device.h"

namespace ossnb {

namespace {

using Bf16 = py::array_t<std::uint16_t, py::array::c_style>;

py::dtype numpy_dtype(const std::string& name) {
  if (name == "U8") return py::dtype::of<std::uint8_t>();
  if (name == "U32") return py::dtype::of<std::uint32_t>();
  if (name == "F32") return py::dtype::of<float>();
  throw std::logic_error("no NumPy type for " + name);
}

// The array without a copy: it keeps the buffer.
py::array numpy_array(PackedArray packed) {
  const py::dtype dtype = numpy_dtype(packed.dtype);
  const std::vector<std::int64_t> shape = packed.shape;
  auto* data = new Buffer<std::uint8_t>(std::move(packed.data));
  const py::capsule owner(data, [](void* p) { delete static_cast<Buffer<std::uint8_t>*>(p); });
  return py::array(dtype, shape, data->data(), owner);
}

py::dict pack(const Packing& packing, const Bf16& w, int threads) {
  if (w.ndim() != 2 || w.shape(1) % kGroup != 0) {
    throw ValueError("w must be bfloat16 [R, K] as uint16, K a multiple of " + std::to_string(kGroup));
  }
  const int rows = static_cast<int>(w.shape(0)), k = static_cast<int>(w.shape(1));
  const bf16* data = w.data();
  std::vector<PackedArray> arrays;
  {
    const GilFree unlocked;
    ThreadPool pool(threads);
    arrays = packing.pack(data, rows, k, pool);
  }
  py::dict found;
  for (PackedArray& array : arrays) {
    const py::str suffix(array.suffix);
    found[suffix] = numpy_array(std::move(array));
  }
  return found;
}

std::vector<Packing> packings(const py::dict& config, const std::string& precision,
                              const std::string& device) {
  const Precision kind = precision_from(precision);
  return device_kind(device).packings(config_from(config), kind);
}

}  // namespace

void bind_packing(py::module_& m) {
  py::class_<Packing>(m, "Packing")
      .def_readonly("name", &Packing::name)
      .def_readonly("text", &Packing::text)
      .def_readonly("without", &Packing::without)
      .def_readonly("sources", &Packing::sources)
      .def_readonly("tiles", &Packing::tiles)
      .def_readonly("piece_rows", &Packing::piece_rows)
      .def(
          "n_bytes", [](const Packing& p, std::int64_t rows, int k) { return p.n_bytes(rows, k); },
          py::arg("rows"), py::arg("k"))
      .def("pack", &pack, py::arg("w"), py::arg("threads"));
  m.def("packings", &packings, py::arg("config"), py::arg("precision"), py::arg("device") = "cpu");
}

}  // namespace ossnb
