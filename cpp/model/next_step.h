// The step that is likely to be asked for next: every sequence goes on with the token that it has just
// chosen.
#pragma once

#include <cstdint>
#include <vector>

#include "choice/choice.h"
#include "data/kv.h"
#include "model/feed.h"

namespace ossnb {

class NextStep {
 public:
  NextStep() = default;
  // What follows a pass and its choices. It is not known where more than a token's logits decide, or where a
  // sequence needs a block of its own first.
  NextStep(const std::vector<Feed>& feeds, const std::vector<Chooser>& choosers,
           const std::vector<Choice>& choices);

  bool is_known() const { return !rows_.empty(); }
  // Whether it is the step that is asked for: the same blocks, which nobody has written since, the same
  // tokens, and the same ways to choose.
  bool is(const std::vector<Feed>& feeds, const std::vector<Chooser>& choosers) const;

  // The step, for the sequences of the feeds that it follows; valid as long as they are.
  std::vector<Feed> feeds(const std::vector<Feed>& before) const;
  std::vector<Chooser> choosers(const std::vector<Chooser>& before) const;

 private:
  struct Row {
    std::vector<BlockId> blocks;
    int length;
    std::int32_t token;
    double temperature;
    std::uint64_t seed;
    std::int64_t position;  // of the token to be chosen
  };
  std::vector<Row> rows_;
  std::uint64_t n_changes_ = 0;  // of the store's blocks, until then
};

}  // namespace ossnb
