// Packed copies of weights that help a device, described so that others can make and keep them
// (python/ossnb/checkpoint/packed.py) without knowing a format.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/thread_pool.h"
#include "format/dtype.h"

namespace ossnb {

// exact: weights as stored, activations of float32 grade. fast: activations of one int8 term a group of 32
// wherever weights are integers, and the attention's matrices packed to int8 (Q8). These copies came with the
// weights, or are made at the start at the cost of 1.06 bytes a weight. lm_head is as stored in both.
enum class Precision { exact, fast };

// One array of a packed matrix [rows, K]. Its name is the matrix's name and a suffix.
struct PackedArray {
  std::string suffix;  // ".q8"
  std::string dtype;   // as safetensors says it: "U8", "U32", "F32"
  std::vector<std::int64_t> shape;
  Buffer<std::uint8_t> data;
  std::size_t n_bytes = 0;
};

// The packed copies of one file.
struct Packing {
  std::string name;                  // "bf12_attention"
  std::string text;                  // for people
  std::string without;               // how a model works without this file, for people
  std::vector<std::string> sources;  // names of the matrices
  std::string tiles;                 // suffix of the array that holds nearly all bytes
  // The rows of a source that are packed at a time, so that packing takes little memory. The pieces of an
  // array follow each other. 0: a source as a whole.
  int piece_rows = 0;

  // Of one source's tiles.
  std::function<std::size_t(std::int64_t rows, int k)> n_bytes;
  // The arrays of w [rows, K], the tiles first; without tiles where packing does not pay.
  std::function<std::vector<PackedArray>(const bf16* w, int rows, int k, ThreadPool& pool)> pack;
};

}  // namespace ossnb
