#include "ops/cuda/head.h"

#include <algorithm>
#include <cmath>

#include "base/float_state.h"

namespace ossnb::cuda {

namespace {

constexpr int kRows = 32;         // whose logits are on the card at a time
constexpr unsigned kBlocks = 64;  // that share a row's choice

bool takes_all_logits(const Chooser& chooser) {
  return chooser.keeps_logits || chooser.wants_logprobs() || chooser.sampler->needs_all_logits();
}

}  // namespace

void Head::norm(const Layers& layers) {
  const int D = cuda_.c.hidden_size;
  normed_.reserve(cuda_.card, static_cast<std::size_t>(layers.n_rows()) * D);
  cuda_.kernels.norm.launch(layers.n_rows(), 512, (D + 4) * sizeof(float),
                            {.x = layers.x(),
                             .weight = cuda_.w.norm(),
                             .out = normed_.data(),
                             .quant = nullptr,
                             .eps = cuda_.c.rms_norm_eps,
                             .width = D,
                             .n_terms = 0,
                             .apart = false});
}

void Head::multiply(Layers& layers, int first, int n) {
  const int V = cuda_.c.vocab_size;
  logits_.reserve(cuda_.card, static_cast<std::size_t>(kRows) * V);
  const float* x = normed_.data() + static_cast<std::size_t>(first) * cuda_.c.hidden_size;
  layers.multiply({{&cuda_.w.lm_head(), End::store, logits_.data(), V}}, x, nullptr, n, 0);
}

void Head::fetch(int row, const std::function<bool()>& poll) {
  row_.resize(cuda_.c.vocab_size);
  logits_.array().download(row_, static_cast<std::size_t>(row) * row_.size());
  cuda_.card->wait(poll);
}

std::uint64_t Head::logits(Layers& layers, const std::function<bool()>& poll, float* logits) {
  const std::size_t V = cuda_.c.vocab_size;
  const std::uint64_t before = layers.n_bytes();
  norm(layers);
  for (int first = 0; first < layers.n_rows(); first += kRows) {
    const int n = std::min(kRows, layers.n_rows() - first);
    multiply(layers, first, n);
    logits_.array().download({logits + first * V, n * V});
    cuda_.card->wait(poll);
  }
  return layers.n_bytes() - before;
}

// The choices of n rows whose logits are on the card, to answers_.
void Head::pick(const std::vector<Chooser>& choosers, int first, int n, const std::function<bool()>& poll) {
  const int V = cuda_.c.vocab_size, n_words = (V + 31) / 32;
  std::vector<PickRow> rows(n);
  std::vector<std::uint32_t> masks(static_cast<std::size_t>(n) * n_words);
  const std::uint32_t* on_card = masks_.reserve(cuda_.card, masks.size());
  bool has_masks = false;
  for (int i = 0; i < n; ++i) {
    const Chooser& chooser = choosers[first + i];
    const SamplerSettings& settings = chooser.sampler->settings();
    const double inverse = 1 / settings.temperature;
    rows[i] = {settings.seed, chooser.position, std::isfinite(inverse) ? inverse : 0, nullptr};
    if (!chooser.mask) continue;
    has_masks = true;
    rows[i].mask = on_card + static_cast<std::size_t>(i) * n_words;
    std::copy_n(chooser.mask->words().data(), n_words, masks.data() + static_cast<std::size_t>(i) * n_words);
  }
  pick_rows_.reserve(cuda_.card, n);
  pick_rows_.upload(rows);
  if (has_masks) masks_.upload(masks);
  if (arrived_.array().size() < static_cast<std::size_t>(n)) {
    arrived_.reserve(cuda_.card, kRows);
    arrived_.zero();
  }
  const PickArgs args = {.logits = logits_.data(),
                         .rows = pick_rows_.data(),
                         .picked = picked_.reserve(cuda_.card, n),
                         .parts = parts_.reserve(cuda_.card, n * kBlocks),
                         .arrived = arrived_.data(),
                         .n_vocab = V};
  const Shape grid(kBlocks, static_cast<unsigned>(n));
  cuda_.kernels.pick_likeliest.launch(grid, kPickThreads, kPickShared, args);
  if (std::any_of(rows.begin(), rows.end(), [](const PickRow& r) { return r.inverse != 0; })) {
    cuda_.kernels.pick_winner.launch(grid, kPickThreads, kPickShared, args);
  }
  answers_.resize(n);
  picked_.array().download(answers_);
  cuda_.card->wait(poll);
}

std::uint64_t Head::choose(Layers& layers, const std::function<bool()>& poll,
                           const std::vector<Chooser>& choosers, Choice* choices) {
  const std::uint64_t before = layers.n_bytes();
  norm(layers);
  for (int first = 0; first < layers.n_rows(); first += kRows) {
    const int n = std::min(kRows, layers.n_rows() - first);
    multiply(layers, first, n);
    pick(choosers, first, n, poll);
    for (int i = 0; i < n; ++i) {
      const Chooser& chooser = choosers[first + i];
      const Picked& picked = answers_[i];
      // Where numbers overflow, the definition decides.
      if (takes_all_logits(chooser) || picked.token < 0 || !std::isfinite(picked.top)) {
        fetch(i, poll);
        choices[first + i] = choose_from(row_.data(), chooser);
      } else {
        choices[first + i].token = picked.token;
      }
    }
  }
  return layers.n_bytes() - before;
}

}  // namespace ossnb::cuda
