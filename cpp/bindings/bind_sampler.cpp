#include "base/error.h"
#include "bindings/bind.h"
#include "bindings/bound_sampler.h"

namespace ossnb {

namespace {

using Logits = py::array_t<float, py::array::c_style | py::array::forcecast>;

py::tuple sample(const BoundSampler& s, const Logits& logits, std::int64_t position, int n_top) {
  if (logits.ndim() != 1 || logits.shape(0) != s.n_vocab) {
    throw ValueError("logits must be one row of " + std::to_string(s.n_vocab) + " numbers (n_vocab)");
  }
  // About a millisecond, so the GIL is kept: a thread that waits for it here when the interpreter is gone
  // would abort the process. Calls of the engine are told to end before (python/ossnb/engine.py).
  const Choice choice = s.sampler.sample(logits.data(), position, n_top);
  py::array_t<std::int32_t> ids(static_cast<py::ssize_t>(choice.top.size()));
  py::array_t<float> logprobs(static_cast<py::ssize_t>(choice.top.size()));
  for (std::size_t i = 0; i < choice.top.size(); ++i) {
    ids.mutable_at(i) = choice.top[i].first;
    logprobs.mutable_at(i) = choice.top[i].second;
  }
  return py::make_tuple(choice.token, choice.logprob, ids, logprobs);
}

}  // namespace

void bind_sampler(py::module_& m) {
  py::class_<BoundSampler>(m, "Sampler")
      .def(py::init([](int n_vocab, double temperature, int top_k, double top_p, double min_p,
                       double repetition_penalty, double presence_penalty, double frequency_penalty,
                       const std::optional<std::map<std::int32_t, double>>& logit_bias, std::uint64_t seed,
                       const std::optional<Tokens>& prompt) {
             SamplerSettings s{.temperature = temperature,
                               .top_p = top_p,
                               .min_p = min_p,
                               .top_k = top_k,
                               .repetition_penalty = repetition_penalty,
                               .presence_penalty = presence_penalty,
                               .frequency_penalty = frequency_penalty,
                               .logit_bias = logit_bias.value_or(std::map<std::int32_t, double>{}),
                               .seed = seed};
             std::vector<std::int32_t> ids;
             if (prompt) ids.assign(prompt->data(), prompt->data() + prompt->size());
             return BoundSampler{Sampler(std::move(s), n_vocab, std::move(ids)), n_vocab};
           }),
           py::kw_only(), py::arg("n_vocab"), py::arg("temperature") = 1.0, py::arg("top_k") = 0,
           py::arg("top_p") = 1.0, py::arg("min_p") = 0.0, py::arg("repetition_penalty") = 1.0,
           py::arg("presence_penalty") = 0.0, py::arg("frequency_penalty") = 0.0,
           py::arg("logit_bias") = py::none(), py::arg("seed") = 0, py::arg("prompt") = py::none())
      .def("sample", &sample, py::arg("logits"), py::arg("position"), py::arg("n_top") = 0)
      .def_property_readonly("needs_all_logits",
                             [](const BoundSampler& s) { return s.sampler.needs_all_logits(); })
      .def("accept", [](BoundSampler& s, std::int32_t token) { s.sampler.accept(token); }, py::arg("token"));
}

}  // namespace ossnb
