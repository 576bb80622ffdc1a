#include "ops/cuda/head.h"

#include <algorithm>
#include <cmath>

#include "base/float_state.h"
#include "format/q8.h"

namespace ossnb::cuda {

namespace {

constexpr int kRows = 32;         // whose logits are on the card at a time
constexpr unsigned kBlocks = 64;  // that share a row's choice

bool takes_all_logits(const Chooser& chooser) {
  return chooser.keeps_logits || chooser.wants_logprobs() || chooser.sampler->needs_all_logits();
}

}  // namespace

// The screen pays for a few rows. More of them share one reading of lm_head.
bool Head::can_screen(const std::vector<Chooser>& choosers) const {
  return cuda_.w.screen().tiles && choosers.size() <= kScreenRows &&
         std::none_of(choosers.begin(), choosers.end(), takes_all_logits);
}

void Head::norm(const Layers& layers, bool for_screen) {
  const int D = cuda_.c.hidden_size, n = layers.n_rows();
  normed_.reserve(cuda_.card, static_cast<std::size_t>(n) * D);
  if (for_screen) quant_.reserve(cuda_.card, static_cast<std::size_t>(n) * QuantRow(D, 1).bytes());
  cuda_.kernels.norm.launch(n, 512, (D + 4) * sizeof(float),
                            {.x = layers.x(),
                             .weight = cuda_.w.norm(),
                             .out = normed_.data(),
                             .quant = for_screen ? quant_.data() : nullptr,
                             .eps = cuda_.c.rms_norm_eps,
                             .width = D,
                             .n_terms = 1,
                             .apart = true});
}

void Head::multiply(Layers& layers, int first, int n) {
  const int V = cuda_.c.vocab_size;
  logits_.reserve(cuda_.card, static_cast<std::size_t>(n) * V);
  const float* x = normed_.data() + static_cast<std::size_t>(first) * cuda_.c.hidden_size;
  layers.multiply({{&cuda_.w.lm_head(), End::store, logits_.data(), V}}, x, nullptr, n, 0);
}

std::uint64_t Head::logits(Layers& layers, const Poll& poll, float* logits) {
  const std::size_t V = cuda_.c.vocab_size;
  const std::uint64_t before = layers.n_bytes();
  norm(layers, false);
  for (int first = 0; first < layers.n_rows(); first += kRows) {
    const int n = std::min(kRows, layers.n_rows() - first);
    multiply(layers, first, n);
    logits_.array().download({logits + first * V, n * V});
    cuda_.card->wait(poll);
  }
  return layers.n_bytes() - before;
}

void Head::describe(const std::vector<Chooser>& choosers, int first, int n) {
  const int n_words = (cuda_.c.vocab_size + 31) / 32;
  std::vector<PickRow>& rows = described_;
  std::vector<std::uint32_t>& masks = described_masks_;
  rows.resize(n);
  masks.resize(static_cast<std::size_t>(n) * n_words);
  const std::uint32_t* on_card = masks_.reserve(cuda_.card, masks.size());
  bool has_masks = false;
  races_ = false;
  for (int i = 0; i < n; ++i) {
    const Chooser& chooser = choosers[first + i];
    const SamplerSettings& settings = chooser.sampler->settings();
    const double inverse = 1 / settings.temperature;
    rows[i] = {settings.seed, chooser.position, std::isfinite(inverse) ? inverse : 0, nullptr};
    races_ = races_ || rows[i].inverse != 0;
    if (!chooser.mask) continue;
    has_masks = true;
    rows[i].mask = on_card + static_cast<std::size_t>(i) * n_words;
    std::copy_n(chooser.mask->words().data(), n_words, masks.data() + static_cast<std::size_t>(i) * n_words);
  }
  pick_rows_.reserve(cuda_.card, n);
  pick_rows_.upload(rows);
  if (has_masks) masks_.upload(masks);
  picked_.reserve(cuda_.card, n);
  if (arrived_.array().size() < static_cast<std::size_t>(n)) {
    arrived_.reserve(cuda_.card, kRows);
    arrived_.zero();
  }
}

void Head::fetch_answers(int n) {
  if (answers_.size() == 0) answers_ = PinnedArray<Picked>(cuda_.card, kRows);
  picked_.array().download({answers_.data(), static_cast<std::size_t>(n)});
}

void Head::pick(int n) {
  const PickArgs args = {.logits = logits_.data(),
                         .rows = pick_rows_.data(),
                         .picked = picked_.data(),
                         .parts = parts_.reserve(cuda_.card, n * kBlocks),
                         .arrived = arrived_.data(),
                         .n_vocab = cuda_.c.vocab_size};
  const Shape grid(kBlocks, static_cast<unsigned>(n));
  cuda_.kernels.pick_likeliest.launch(grid, kPickThreads, kPickShared, args);
  if (races_) cuda_.kernels.pick_winner.launch(grid, kPickThreads, kPickShared, args);
  fetch_answers(n);
}

void Head::screen(int n) {
  const int D = cuda_.c.hidden_size, V = cuda_.c.vocab_size, most = std::max(64, V / 8);
  const auto n_tiles = static_cast<unsigned>((V + kTileRows - 1) / kTileRows);
  const CardScreen& copy = cuda_.w.screen();
  ScreenArgs args = {.normed = normed_.data(),
                     .quant = quant_.data(),
                     .tiles = copy.tiles,
                     .norms = copy.norms,
                     .weights = static_cast<const bf16*>(cuda_.w.lm_head().m.weights),
                     .rows = pick_rows_.data(),
                     .state = states_.reserve(cuda_.card, n),
                     .approx = approx_.reserve(cuda_.card, static_cast<std::size_t>(n) * V),
                     .parts = parts_.reserve(cuda_.card, n * std::max(n_tiles, kBlocks)),
                     .arrived = arrived_.data(),
                     .candidates = candidates_.reserve(cuda_.card, static_cast<std::size_t>(n) * most),
                     .picked = picked_.data(),
                     .gamma = LogitBounds::gamma_of(D),
                     .n = n,
                     .n_vocab = V,
                     .width = D,
                     .most = most,
                     .is_race = false};
  const ScreenKernels& kernels = cuda_.kernels.screen;
  const auto rows = static_cast<unsigned>(n);
  const Shape grid(kBlocks, rows);
  const std::size_t row = QuantRow(D, 1).bytes(), stored = D * sizeof(bf16);
  kernels.begin.launch(rows, kPickThreads, kPickShared, args);
  (n == 1 ? kernels.one : kernels.four)
      .launch(n_tiles, kFewThreads, (n == 1 ? 1 : kScreenRows) * row + stored + kPickShared, args);
  kernels.candidates.launch(grid, kPickThreads, 0, args);
  kernels.best.launch(grid, kPickThreads, kPickShared + kPickThreads / 32 * stored, args);
  if (races_) {
    args.is_race = true;
    kernels.leader.launch(grid, kPickThreads, kPickShared + stored, args);
    kernels.candidates.launch(grid, kPickThreads, 0, args);
    kernels.best.launch(grid, kPickThreads, kPickShared + kPickThreads / 32 * stored, args);
  }
  fetch_answers(n);
}

// Rows first .. first + n - 1, from all their logits.
void Head::choose_from_logits(Layers& layers, const Poll& poll, const std::vector<Chooser>& choosers,
                              int first, int n, Choice* choices) {
  multiply(layers, first, n);
  describe(choosers, first, n);
  pick(n);
  cuda_.card->wait(poll);
  for (int i = 0; i < n; ++i) {
    const Chooser& chooser = choosers[first + i];
    if (!takes_all_logits(chooser) && answers_[i].token >= 0 && std::isfinite(answers_[i].top)) {
      choices[first + i].token = answers_[i].token;
      continue;
    }
    // Where numbers overflow, the definition decides, too.
    row_.resize(cuda_.c.vocab_size);
    logits_.array().download(row_, static_cast<std::size_t>(i) * row_.size());
    cuda_.card->wait(poll);
    choices[first + i] = choose_from(row_.data(), chooser);
  }
}

std::uint64_t Head::choose(Layers& layers, const Poll& poll, const std::vector<Chooser>& choosers,
                           Choice* choices) {
  if (layers.n_rows() == 0) return 0;
  if (can_screen(choosers)) {
    begin(layers, choosers);
    return finish(layers, poll, choosers, choices);
  }
  const std::uint64_t before = layers.n_bytes();
  norm(layers, false);
  for (int first = 0; first < layers.n_rows(); first += kRows) {
    choose_from_logits(layers, poll, choosers, first, std::min(kRows, layers.n_rows() - first), choices);
  }
  return layers.n_bytes() - before;
}

void Head::begin(const Layers& layers, const std::vector<Chooser>& choosers) {
  norm(layers, true);
  describe(choosers, 0, layers.n_rows());
  screen(layers.n_rows());
}

std::uint64_t Head::finish(Layers& layers, const Poll& poll, const std::vector<Chooser>& choosers,
                           Choice* choices) {
  const std::uint64_t before = layers.n_bytes();
  cuda_.card->wait(poll);
  const std::vector<Picked> answers(answers_.begin(), answers_.begin() + layers.n_rows());
  for (int i = 0; i < layers.n_rows(); ++i) {
    if (answers[i].token >= 0 && std::isfinite(answers[i].top)) {
      choices[i].token = answers[i].token;
    } else {
      choose_from_logits(layers, poll, choosers, i, 1, choices);
    }
  }
  return layers.n_bytes() - before + cuda_.w.screen().n_bytes;
}

}  // namespace ossnb::cuda
