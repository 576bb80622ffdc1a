#include "base/error.h"
#include "base/float_state.h"
#include "bindings/bind.h"
#include "bindings/bound_sampler.h"

namespace ossnb {

namespace {

using Logits = py::array_t<float, py::array::c_style | py::array::forcecast>;

std::shared_ptr<BoundSampler> make_sampler(int n_vocab, double temperature, int top_k, double top_p,
                                           double min_p, double repetition_penalty, double presence_penalty,
                                           double frequency_penalty,
                                           const std::optional<std::map<std::int32_t, double>>& logit_bias,
                                           std::uint64_t seed, const std::optional<Tokens>& prompt) {
  SamplerSettings s{.temperature = temperature,
                    .top_p = top_p,
                    .min_p = min_p,
                    .top_k = top_k,
                    .repetition_penalty = repetition_penalty,
                    .presence_penalty = presence_penalty,
                    .frequency_penalty = frequency_penalty,
                    .logit_bias = logit_bias.value_or(std::map<std::int32_t, double>{}),
                    .seed = seed};
  std::span<const std::int32_t> ids;
  if (prompt) ids = {prompt->data(), static_cast<std::size_t>(prompt->size())};
  return std::make_shared<BoundSampler>(BoundSampler{Sampler(std::move(s), n_vocab, ids)});
}

py::tuple sample(BoundSampler& s, const Logits& logits, std::int64_t position, int n_top) {
  const Sampler& sampler = s.sampler;
  if (logits.ndim() != 1 || logits.shape(0) != sampler.n_vocab()) {
    throw ValueError("logits must be one row of " + std::to_string(sampler.n_vocab()) + " numbers (n_vocab)");
  }
  const float* data = logits.data();
  std::int32_t token = 0;
  Logprobs found;
  {
    const BoundSampler::Reading reading(s);
    const GilFree unlocked;
    const PlainFloats plain;
    token = sampler.token(data, position);
    found = sampler.logprobs(data, token, n_top);
  }
  const auto [ids, logprobs] = arrays_of(found.top);
  return py::make_tuple(token, found.token, ids, logprobs);
}

}  // namespace

std::pair<py::array_t<std::int32_t>, py::array_t<float>> arrays_of(
    const std::vector<std::pair<std::int32_t, float>>& top) {
  const auto n = static_cast<py::ssize_t>(top.size());
  py::array_t<std::int32_t> ids(n);
  py::array_t<float> logprobs(n);
  for (py::ssize_t i = 0; i < n; ++i) {
    ids.mutable_at(i) = top[i].first;
    logprobs.mutable_at(i) = top[i].second;
  }
  return {ids, logprobs};
}

void bind_sampler(py::module_& m) {
  py::class_<BoundSampler, std::shared_ptr<BoundSampler>>(m, "Sampler")
      .def(py::init(&make_sampler), py::kw_only(), py::arg("n_vocab"), py::arg("temperature") = 1.0,
           py::arg("top_k") = 0, py::arg("top_p") = 1.0, py::arg("min_p") = 0.0,
           py::arg("repetition_penalty") = 1.0, py::arg("presence_penalty") = 0.0,
           py::arg("frequency_penalty") = 0.0, py::arg("logit_bias") = py::none(), py::arg("seed") = 0,
           py::arg("prompt") = py::none())
      .def("sample", &sample, py::arg("logits"), py::arg("position"), py::arg("n_top") = 0)
      .def("accept", &BoundSampler::accept, py::arg("token"));
}

}  // namespace ossnb
