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

  using Poll = std::function<bool()>;
  // All logits of the rows of x, to the host. Returns the bytes that it read.
  std::uint64_t logits(Layers& layers, const Poll& poll, float* logits);
  // As choose_from() chooses from those logits.
  std::uint64_t choose(Layers& layers, const Poll& poll, const std::vector<Chooser>& choosers,
                       Choice* choices);
  // The same in two parts, for rows that the screen may choose. begin() waits for nothing.
  bool can_screen(const std::vector<Chooser>& choosers) const;
  void begin(const Layers& layers, const std::vector<Chooser>& choosers);
  std::uint64_t finish(Layers& layers, const Poll& poll, const std::vector<Chooser>& choosers,
                       Choice* choices);

 private:
  void norm(const Layers& layers, bool for_screen);
  // Brings over how rows first .. first + n - 1 choose.
  void describe(const std::vector<Chooser>& choosers, int first, int n);
  // The choices of n rows that were described, to answers_ once the card has got there: by the screen, or
  // from logits on the card.
  void screen(int n);
  void pick(int n);
  void fetch_answers(int n);
  void multiply(Layers& layers, int first, int n);  // logits, on the card
  void choose_from_logits(Layers& layers, const Poll& poll, const std::vector<Chooser>& choosers, int first,
                          int n, Choice* choices);

  const CudaContext& cuda_;
  Room<float> normed_, logits_, approx_;
  Room<unsigned char> quant_;
  Room<PickRow> pick_rows_;
  Room<std::uint32_t> masks_;
  Room<Picked> picked_;
  Room<PickPart> parts_;
  Room<ScreenState> states_;
  Room<std::int32_t> candidates_;
  Room<unsigned> arrived_;  // zero between kernels
  // What was brought over last. The card may read it until somebody waits, so it outlives the call.
  std::vector<PickRow> described_;
  std::vector<std::uint32_t> described_masks_;
  bool races_ = false;  // whether a row that was described draws by its noise
  PinnedArray<Picked> answers_;
  std::vector<float> row_;
};

}  // namespace ossnb::cuda
