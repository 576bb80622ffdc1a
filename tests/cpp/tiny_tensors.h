// A tiny random model's tensors under their names in a checkpoint.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "data/config.h"
#include "data/weights.h"
#include "ops/packing.h"
#include "seeded.h"

namespace ossnb::testing {

enum class Experts { mxfp4, bf16 };

extern const Config kTinyConfig;

class TinyTensors {
 public:
  explicit TinyTensors(Experts layout, const Config& config = kTinyConfig);

  // Adds the packed copies that help a model of that precision.
  void pack(Precision precision);
  Tensor find(const std::string& name) const;

 private:
  using Shape = std::vector<std::int64_t>;
  struct Stored {
    std::vector<std::uint8_t> bytes;
    int item_bytes;
    Shape shape;
  };
  void floats(const std::string& name, const Shape& shape, float scale, float centre = 0);
  void bytes(const std::string& name, const Shape& shape, int low, int high);
  void linear(const std::string& name, int n_out, int n_in);
  void experts(const std::string& name, Experts layout, int n_experts, int n_in, int n_out);

  const Config config_;
  Random random_{20};
  std::map<std::string, Stored> stored_;
};

}  // namespace ossnb::testing
