// Packed copies of a checkpoint's dense matrices, for the CPU's kernels, and the norms that bound the error
// of packing. They are made once and kept in cache files (python/ossnb/checkpoint/packed.py).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "base/thread_pool.h"
#include "data/config.h"
#include "data/weights.h"
#include "kernels/kernels.h"
#include "ops/packing.h"

namespace ossnb {

// Packed copies of one matrix [R, K], borrowed; each may be absent.
struct Packed {
  const std::uint8_t* q8 = nullptr;  // Q8 tiles, "NAME.q8"
  const std::uint8_t* q6 = nullptr;  // Q6 tiles, "NAME.q6"
  const float* q6_norms = nullptr;   // [R, 2] of each row: |w - q6|, |q6|, rounded up; "NAME.q6_norms"
  Bf12 bf12;  // "NAME.bf12", "NAME.bf12_high", "NAME.bf12_rare" [n, 2]; no tiles if it did not pay
};

// The packed copies that came with the weights. ValueError when a copy's shape does not fit its matrix.
class PackedCopies {
 public:
  PackedCopies(const Config& config, const Weights::Find& find);
  Packed of(const bf16* stored) const;

 private:
  void read(const Weights::Find& find, const std::string& name, std::int64_t rows, std::int64_t k);
  std::map<const bf16*, Packed> by_matrix_;
};

// Packs w [R, K] into Q8 tiles; into Q6 tiles and their norms.
void pack_q8(const kernels::Table& kernels, const bf16* w, int n_rows, int k, std::uint8_t* tiles,
             ThreadPool& pool);
void pack_q6(const kernels::Table& kernels, const bf16* w, int n_rows, int k, std::uint8_t* tiles,
             float* norms, ThreadPool& pool);

// Packs w [R, K] into bf12 tiles and their table of high bytes, and returns the weights that the table does
// not hold. When there are so many of them that packing does not pay, it returns nothing, and the content of
// `tiles` is undefined.
std::optional<std::vector<Bf12::Rare>> pack_bf12(const bf16* w, int n_rows, int k, std::uint8_t* tiles,
                                                 std::uint8_t* high, ThreadPool& pool);

// The packings that help a model of this shape.
std::vector<Packing> cpu_packings(const Config& config, Precision precision);

}  // namespace ossnb
