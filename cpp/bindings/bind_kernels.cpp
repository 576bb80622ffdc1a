// ossnb._core.kernels: every kernel of every level by name, for measurements and for the tests that compare
// levels.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/buffer.h"
#include "base/error.h"
#include "base/float_state.h"
#include "bindings/bind.h"
#include "bindings/from_python.h"
#include "kernels/kernels.h"
#include "ops/cpu/kv.h"

namespace ossnb {

namespace {

using Floats = py::array_t<float, py::array::c_style>;
using Bf16 = py::array_t<std::uint16_t, py::array::c_style>;
using Bytes = py::array_t<std::uint8_t, py::array::c_style>;
using Rare = py::array_t<std::uint32_t, py::array::c_style>;
using Ints = py::array_t<std::int32_t, py::array::c_style>;

void require(bool holds, const char* what) {
  if (!holds) throw ValueError(what);
}

// For a kernel that takes milliseconds.
struct Computing {
  const GilFree unlocked;
  const PlainFloats plain;
};

Terms terms_of(int terms) {
  require(terms == 1 || terms == 3, "terms must be 1 or 3");
  return static_cast<Terms>(terms);
}

const kernels::IntegerKernels& integer(const std::string& isa, int terms) {
  return kernels::choose(isa.c_str()).integer(terms_of(terms));
}

Floats bf16_matmul(const std::string& isa, const Bf16& w, const Floats& x) {
  require(w.ndim() == 2 && x.ndim() == 2 && w.shape(1) == x.shape(1) && w.shape(1) % 16 == 0,
          "expected w [R, K] and x [T, K], K a multiple of 16");
  Floats y({x.shape(0), w.shape(0)});
  const Computing computing;
  kernels::choose(isa.c_str())
      .bf16_matmul(w.data(), static_cast<int>(w.shape(0)), static_cast<int>(w.shape(1)), x.data(), x.shape(1),
                   static_cast<int>(x.shape(0)), y.mutable_data(), w.shape(0));
  return y;
}

// tiles, high and rare as _core.pack_bf12 makes them
Floats bf12_matmul(const std::string& isa, const Bytes& tiles, const Bytes& high, const Rare& rare, int row,
                   int n_rows, const Floats& x) {
  const int k = static_cast<int>(x.shape(1));
  require(tiles.ndim() == 2 && tiles.shape(1) == static_cast<py::ssize_t>(bf12_tile_bytes(k)) &&
              row % kBf12Rows == 0 && row + n_rows <= tiles.shape(0) * kBf12Rows,
          "expected what pack_bf12 made of w [R, K], and x [T, K]");
  const Bf12 w = {tiles.data(), high.data(), reinterpret_cast<const Bf12::Rare*>(rare.data()),
                  static_cast<int>(rare.shape(0))};
  Floats y({x.shape(0), static_cast<py::ssize_t>(n_rows)});
  kernels::choose(isa.c_str())
      .bf12_matmul(w, row, n_rows, k, x.data(), k, static_cast<int>(x.shape(0)), y.mutable_data(), n_rows);
  return y;
}

Floats bf16_matmul_in_out(const std::string& isa, const Bf16& w, const Floats& x, const Ints& rows) {
  require(w.ndim() == 2 && x.ndim() == 2 && w.shape(0) == x.shape(1) && w.shape(1) % 32 == 0,
          "expected w [K, N] and x [T, K], N a multiple of 32");
  Floats y({rows.shape(0), w.shape(1)});
  kernels::choose(isa.c_str())
      .bf16_matmul_in_out(w.data(), w.shape(1), static_cast<int>(w.shape(1)), static_cast<int>(w.shape(0)),
                          x.data(), x.shape(1), rows.data(), static_cast<int>(rows.shape(0)),
                          y.mutable_data(), w.shape(1));
  return y;
}

// terms: 1 or 3
Bytes quantize(const std::string& isa, int terms, const Floats& x) {
  require(x.ndim() == 2 && x.shape(1) % kGroup == 0, "expected x [T, K], K a multiple of 32");
  const QuantLayout layout(static_cast<int>(x.shape(1)), terms_of(terms));
  Bytes out({x.shape(0), static_cast<py::ssize_t>(layout.bytes)});
  const int k = static_cast<int>(x.shape(1));
  const float* from = x.data();
  std::uint8_t* to = out.mutable_data();
  const Computing computing;
  for (py::ssize_t t = 0; t < x.shape(0); ++t) {
    integer(isa, terms).quantize(from + t * k, k, to + t * layout.bytes);
  }
  return out;
}

Floats mxfp4_matmul(const std::string& isa, int terms, const Bytes& blocks, const Bytes& scales,
                    const Bytes& quantized, const Ints& rows) {
  require(blocks.ndim() == 3 && blocks.shape(2) == kGroupBytes && scales.ndim() == 2 &&
              scales.shape(0) == blocks.shape(0) && scales.shape(1) == blocks.shape(1),
          "expected blocks [R, K/32, 16] and scales [R, K/32]");
  const int k = static_cast<int>(blocks.shape(1)) * kGroup, n_rows = static_cast<int>(blocks.shape(0));
  require(quantized.shape(1) == static_cast<py::ssize_t>(QuantLayout(k, terms_of(terms)).bytes),
          "expected activations from quantize()");
  Buffer<std::uint8_t> scratch(kernels::scratch_bytes(k));
  Floats y({rows.shape(0), blocks.shape(0)});
  const Computing computing;
  integer(isa, terms)
      .mxfp4_matmul(blocks.data(), scales.data(), n_rows, k,
                    {quantized.data(), rows.data(), static_cast<int>(rows.size())}, y.mutable_data(), n_rows,
                    scratch.data());
  return y;
}

Bytes pack_tiles(const Bf16& w, std::size_t (*tile_bytes)(int k),
                 void (*pack)(const bf16* w, int n_rows, int k, std::uint8_t* tile)) {
  require(w.ndim() == 2 && w.shape(1) % kGroup == 0, "expected w [R, K], K a multiple of 32");
  const int n_rows = static_cast<int>(w.shape(0)), k = static_cast<int>(w.shape(1));
  const int n_tiles = (n_rows + kQ8Rows - 1) / kQ8Rows;
  Bytes tiles({static_cast<py::ssize_t>(n_tiles), static_cast<py::ssize_t>(tile_bytes(k))});
  const bf16* from = w.data();
  std::uint8_t* to = tiles.mutable_data();
  const std::size_t n_bytes = tile_bytes(k);
  const Computing computing;
  for (int i = 0; i < n_tiles; ++i) {
    const int row = i * kQ8Rows;
    pack(from + static_cast<std::size_t>(row) * k, std::min(kQ8Rows, n_rows - row), k, to + i * n_bytes);
  }
  return tiles;
}

Bytes q8_pack(const std::string& isa, const Bf16& w) {
  return pack_tiles(w, q8_tile_bytes, kernels::choose(isa.c_str()).q8_pack);
}

Bytes q6_pack(const std::string& isa, const Bf16& w) {
  return pack_tiles(w, q6_tile_bytes, kernels::choose(isa.c_str()).q6_pack);
}

Floats q8_matmul(const std::string& isa, const Bytes& tiles, int n_rows, int k, const Bytes& quantized,
                 const Ints& rows) {
  require(tiles.shape(1) == static_cast<py::ssize_t>(q8_tile_bytes(k)) &&
              quantized.shape(1) == static_cast<py::ssize_t>(QuantLayout(k, Terms::one).bytes),
          "expected tiles from q8_pack() and activations from quantize()");
  Floats y({rows.shape(0), static_cast<py::ssize_t>(n_rows)});
  Buffer<std::uint8_t> scratch(kernels::scratch_bytes(k));
  const Computing computing;
  kernels::choose(isa.c_str())
      .q8_matmul(tiles.data(), n_rows, k, {quantized.data(), rows.data(), static_cast<int>(rows.size())},
                 y.mutable_data(), n_rows, scratch.data());
  return y;
}

Floats q6_matmul(const std::string& isa, const Bytes& tiles, int k, const Bytes& quantized,
                 const Ints& rows) {
  require(tiles.shape(1) == static_cast<py::ssize_t>(q6_tile_bytes(k)) &&
              quantized.shape(1) == static_cast<py::ssize_t>(QuantLayout(k, Terms::one).bytes),
          "expected tiles from q6_pack() and activations from quantize()");
  const auto n_rows = static_cast<int>(tiles.shape(0)) * kQ8Rows;
  Floats y({rows.shape(0), static_cast<py::ssize_t>(n_rows)});
  Buffer<std::uint8_t> scratch(kernels::scratch_bytes(k));
  kernels::choose(isa.c_str())
      .q6_matmul(tiles.data(), n_rows, k, {quantized.data(), rows.data(), static_cast<int>(rows.size())},
                 y.mutable_data(), n_rows, scratch.data());
  return y;
}

Floats rms_norm(const std::string& isa, const Floats& x, const Bf16& w, float eps) {
  require(x.ndim() == 1 && x.shape(0) == w.shape(0) && x.shape(0) % 16 == 0,
          "expected x and w [n], n a multiple of 16");
  Floats y(x.shape(0));
  kernels::choose(isa.c_str())
      .rms_norm(x.data(), w.data(), eps, static_cast<int>(x.shape(0)), y.mutable_data());
  return y;
}

Floats swiglu(const std::string& isa, const Floats& h, float limit, float alpha) {
  require(h.ndim() == 1 && h.shape(0) % 2 == 0, "expected gates and ups in turn, [2 n]");
  Floats y(h.shape(0) / 2);
  kernels::choose(isa.c_str()).swiglu(h.data(), static_cast<int>(y.shape(0)), limit, alpha, y.mutable_data());
  return y;
}

Floats exp(const std::string& isa, const Floats& x) {
  Floats y(x.shape(0));
  kernels::choose(isa.c_str()).exp(x.data(), static_cast<int>(x.shape(0)), y.mutable_data());
  return y;
}

float sum_exp(const std::string& isa, const Floats& x, float shift) {
  return kernels::choose(isa.c_str()).sum_exp(x.data(), static_cast<int>(x.shape(0)), shift);
}

// q [Q, G, Dh], the first query at position last; keys and values [n, Dh] in plain order, which this function
// puts into blocks of that format.
Floats attend(const std::string& isa, const Floats& q, const Floats& keys, const Floats& values,
              const Bf16& sinks, int last, int window, int block_tokens, const std::string& format) {
  const int Q = static_cast<int>(q.shape(0)), G = static_cast<int>(q.shape(1)),
            Dh = static_cast<int>(q.shape(2)), n = static_cast<int>(keys.shape(0));
  require(0 <= last && Q > 0 && last + Q <= n && window > 0 && Dh % 16 == 0 && block_tokens % 16 == 0,
          "bad range or sizes");
  const int blocks = (n + block_tokens - 1) / block_tokens;
  const KvPart part{kv_format_from(format), block_tokens, Dh};
  std::vector<Buffer<std::byte>> k(blocks), v(blocks);
  std::vector<const std::byte*> kp, vp;
  for (int b = 0; b < blocks; ++b) {
    for (Buffer<std::byte>* of : {&k[b], &v[b]}) std::memset(of->reserve(part.bytes()), 0, part.bytes());
    for (int i = 0; i < block_tokens && b * block_tokens + i < n; ++i) {
      put_key(part, k[b].data(), i, keys.data(b * block_tokens + i, 0));
      put_value(part, v[b].data(), i, values.data(b * block_tokens + i, 0));
    }
    kp.push_back(k[b].data());
    vp.push_back(v[b].data());
  }
  Floats out({Q, G, Dh});
  Buffer<float> scratch(kernels::attend_scratch_floats(Q, G, part, 0, n - 1));
  kernels::choose(isa.c_str())
      .attend({.q = q.data(),
               .stride = static_cast<std::size_t>(G) * Dh,
               .n_queries = Q,
               .n_heads = G,
               .head_dim = Dh,
               .format = part.format,
               .keys = kp.data(),
               .values = vp.data(),
               .block_tokens = block_tokens,
               .last = last,
               .window = window,
               .scale = 1.0f / std::sqrt(static_cast<float>(Dh)),
               .sinks = sinks.data(),
               .scratch = scratch.data(),
               .out = out.mutable_data()});
  return out;
}

struct KernelsByName {};  // a name for them in Python, where a class can be described in _core.pyi

}  // namespace

void bind_kernels(py::module_& m) {
  py::class_<KernelsByName> k(m, "kernels");
  k.def_static("bf16_matmul", &bf16_matmul);
  k.def_static("bf12_matmul", &bf12_matmul);
  k.def_static("bf16_matmul_in_out", &bf16_matmul_in_out);
  k.def_static("quantize", &quantize);
  k.def_static("mxfp4_matmul", &mxfp4_matmul);
  k.def_static("q8_pack", &q8_pack);
  k.def_static("q8_matmul", &q8_matmul);
  k.def_static("q6_pack", &q6_pack);
  k.def_static("q6_matmul", &q6_matmul);
  k.def_static("rms_norm", &rms_norm);
  k.def_static("swiglu", &swiglu);
  k.def_static("exp", &exp);
  k.def_static("sum_exp", &sum_exp);
  k.def_static("attend", &attend, py::arg("isa"), py::arg("q"), py::arg("keys"), py::arg("values"),
               py::arg("sinks"), py::arg("last"), py::arg("window"), py::arg("block_tokens"),
               py::arg("kv") = "float32");
}

}  // namespace ossnb
