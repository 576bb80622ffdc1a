// The end of a pass on the card: the last norm, logits, and the choice of tokens. One number a row comes back
// where that is enough; else all its logits.
#pragma once

#include <vector>

#include "choice/choice.h"
#include "ops/cuda/layers.h"

namespace ossnb::cuda {

class Head {
 public:
  explicit Head(const CudaContext& context) : cuda_(context) {}

  // All logits of the rows of x, to the host. Returns the bytes that it read.
  std::uint64_t logits(Layers& layers, const std::function<bool()>& poll, float* logits);
  // As choose_from() chooses from those logits.
  std::uint64_t choose(Layers& layers, const std::function<bool()>& poll,
                       const std::vector<Chooser>& choosers, Choice* choices);

 private:
  void norm(const Layers& layers);
  // The logits of rows first .. first + n - 1, on the card.
  void multiply(Layers& layers, int first, int n);
  void pick(const std::vector<Chooser>& choosers, int first, int n, const std::function<bool()>& poll);
  void fetch(int row, const std::function<bool()>& poll);  // a row's logits, to the host

  const CudaContext& cuda_;
  Room<float> normed_, logits_;
  Room<PickRow> pick_rows_;
  Room<Picked> picked_;
  Room<PickPart> parts_;
  Room<unsigned> arrived_;
  Room<std::uint32_t> masks_;
  std::vector<Picked> answers_;
  std::vector<float> row_;
};

}  // namespace ossnb::cuda
