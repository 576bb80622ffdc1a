// A tiny random model, run whole: prefill in chunks past the window, then sampled tokens.
#pragma once

namespace ossnb::testing {

// Prints "layout precision level hash" of all logits, tokens and log-probabilities, for each layout of the
// experts, precision and level. Returns 0 when the levels agree.
int print_forward_hashes();

}  // namespace ossnb::testing
