// Chooser, Choice and Step: the input and the output of a step.
#include "base/error.h"
#include "bindings/bind.h"
#include "bindings/bound_step.h"

namespace ossnb {

namespace {

using Floats = py::array_t<float, py::array::c_style | py::array::forcecast>;
using Words = py::array_t<std::uint32_t, py::array::c_style | py::array::forcecast>;

BoundChooser make_chooser(std::shared_ptr<BoundSampler> sampler, std::int64_t position, int n_top,
                          const std::optional<Words>& mask, bool keeps_logits) {
  if (n_top < 0) throw ValueError("n_top must be at least 0, got " + std::to_string(n_top));
  BoundChooser bound;
  if (mask) {
    if (mask->ndim() != 1) throw ValueError("the mask must be one-dimensional");
    bound.mask = std::make_shared<TokenMask>(
        std::vector<std::uint32_t>(mask->data(), mask->data() + mask->size()), sampler->sampler.n_vocab());
  }
  bound.chooser = {.sampler = &sampler->sampler,
                   .position = position,
                   .n_top = n_top,
                   .mask = bound.mask.get(),
                   .keeps_logits = keeps_logits};
  bound.sampler = std::move(sampler);
  return bound;
}

BoundChoice bound_choice(const Choice& choice) {
  const auto [ids, logprobs] = arrays_of(choice.top);
  BoundChoice bound = {choice.token, choice.logprob, ids, logprobs, py::none(), choice.is_finite};
  if (!choice.logits.empty()) {
    bound.logits = py::array_t<float>(static_cast<py::ssize_t>(choice.logits.size()), choice.logits.data());
  }
  return bound;
}

BoundChoice choose_from_array(const BoundChooser& bound, const Floats& logits) {
  const int n_vocab = bound.sampler->sampler.n_vocab();
  if (logits.ndim() != 1 || logits.size() != n_vocab)
    throw ValueError("logits must be [" + std::to_string(n_vocab) + "], one for each token");
  const float* data = logits.data();
  Choice choice;
  {
    const BoundSampler::Reading reading(*bound.sampler);
    const GilFree unlocked;
    choice = choose_from(data, bound.chooser);
  }
  return bound_choice(choice);
}

}  // namespace

BoundStep bound_step(const std::vector<Choice>& choices, std::uint64_t n_bytes) {
  BoundStep step{py::list(), n_bytes};
  for (const Choice& choice : choices) step.choices.append(bound_choice(choice));
  return step;
}

void bind_step(py::module_& m) {
  py::class_<BoundChooser>(m, "Chooser")
      .def(py::init(&make_chooser), py::arg("sampler").none(false), py::arg("position"), py::kw_only(),
           py::arg("n_top") = 0, py::arg("mask") = py::none(), py::arg("keeps_logits") = false)
      .def("choose", &choose_from_array, py::arg("logits"));
  py::class_<BoundChoice>(m, "Choice")
      .def_readonly("token", &BoundChoice::token)
      .def_readonly("logprob", &BoundChoice::logprob)
      .def_readonly("top_ids", &BoundChoice::top_ids)
      .def_readonly("top_logprobs", &BoundChoice::top_logprobs)
      .def_readonly("logits", &BoundChoice::logits)
      .def_readonly("is_finite", &BoundChoice::is_finite);
  py::class_<BoundStep>(m, "Step")
      .def_readonly("choices", &BoundStep::choices)
      .def_readonly("n_bytes", &BoundStep::n_bytes);
}

}  // namespace ossnb
