// What Python's Chooser, Choice and Step hold.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "bindings/bind.h"
#include "bindings/bound_sampler.h"
#include "choice/choice.h"

namespace ossnb {

// A chooser and the objects that it points to.
struct BoundChooser {
  Chooser chooser;
  std::shared_ptr<BoundSampler> sampler;
  std::shared_ptr<const TokenMask> mask;
};

struct BoundChoice {
  std::int32_t token;
  std::optional<float> logprob;
  py::array_t<std::int32_t> top_ids;
  py::array_t<float> top_logprobs;
  py::object logits;
  bool is_finite;
};

struct BoundStep {
  py::list choices;
  std::uint64_t n_bytes;
};

BoundStep bound_step(const std::vector<Choice>& choices, std::uint64_t n_bytes);

}  // namespace ossnb
