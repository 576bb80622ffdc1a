#include "ops/cpu/head.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ossnb {

namespace {

constexpr int kBlock = 256;  // rows of lm_head that a task multiplies

// A mask that allows at most one token in this many takes the allowed rows alone. That is 2 / 24 bytes for
// each weight of lm_head, a tenth of the screen's bytes. Scattered rows are read at a third of the speed of a
// stream at worst, so this is faster by far. With many more allowed rows, bounds leave fewer rows to read.
constexpr int kFew = 24;

bool all_finite(const float* x, int n) {
  return std::all_of(x, x + n, [](float v) { return std::isfinite(v); });
}

}  // namespace

Head::Head(const CpuContext& cpu, const Packed& packed)
    : cpu_(cpu), packed_(packed), screen_layout_(cpu.c.hidden_size, Terms::one) {}

Head::Way Head::way_of(const Chooser& chooser) const {
  if (chooser.keeps_logits) return Way::all;
  if (chooser.mask && chooser.mask->n_allowed() == 1) return Way::only;
  if (chooser.mask && chooser.mask->n_allowed() <= cpu_.c.vocab_size / kFew) return Way::few;
  const bool can_screen = packed_.q6 && packed_.q6_norms;
  return can_screen && !chooser.wants_logprobs() && !chooser.sampler->needs_all_logits() ? Way::screen
                                                                                         : Way::all;
}

std::vector<Head::Way> Head::ways_of(const std::vector<Chooser>& choosers) const {
  std::vector<Way> ways;
  ways.reserve(choosers.size());
  for (const Chooser& chooser : choosers) ways.push_back(way_of(chooser));
  // Where lm_head is read for one row, the others need no screen. Else the screen, which is a third of its
  // bytes and integers, pays for any number of rows.
  if (std::count(ways.begin(), ways.end(), Way::all) > 0) {
    std::replace(ways.begin(), ways.end(), Way::screen, Way::all);
  }
  return ways;
}

void Head::norm(const Rows<float>& x) {
  n_bytes_ += cpu_.c.hidden_size * sizeof(bf16);
  normed_.shape(x.n(), x.width());
  cpu_.pool.parallel_for(x.n(), [&](int t, int) {
    cpu_.k.rms_norm(x.row(t), cpu_.w.norm, cpu_.c.rms_norm_eps, cpu_.c.hidden_size, normed_.row(t));
  });
}

void Head::multiply_all(const Rows<float>& normed, float* logits) {
  const int D = cpu_.c.hidden_size, V = cpu_.c.vocab_size;
  const int most = std::min(kBlock, cpu_.task_rows(normed.n()));
  cpu_.pool.parallel_for(n_blocks(V, most), [&](int i, int) {
    const int row = i * most;
    cpu_.k.bf16_matmul(cpu_.w.lm_head + static_cast<std::size_t>(row) * D, std::min(most, V - row), D,
                       normed.data(), D, normed.n(), logits + row, V);
  });
  n_bytes_ += static_cast<std::uint64_t>(V) * D * sizeof(bf16);
}

// The logits of a few tokens, bit for bit those of multiply_all().
void Head::multiply_rows(const float* normed, const std::int32_t* rows, int n, float* logits) const {
  const int D = cpu_.c.hidden_size;
  for (int i = 0; i < n; ++i) {
    cpu_.k.bf16_matmul(cpu_.w.lm_head + static_cast<std::size_t>(rows[i]) * D, 1, D, normed, D, 1, logits + i,
                       1);
  }
}

void Head::share_rows(const float* normed, const std::int32_t* rows, int n, float* logits) const {
  constexpr int kRows = 32;                                       // a task's
  if (n <= kRows) return multiply_rows(normed, rows, n, logits);  // not worth waking a thread
  cpu_.pool.parallel_for(n_blocks(n, kRows), [&](int task, int) {
    const int first = task * kRows;
    multiply_rows(normed, rows + first, std::min(kRows, n - first), logits + first);
  });
}

std::uint64_t Head::logits(const Rows<float>& x, float* logits) {
  n_bytes_ = 0;
  if (x.n() == 0) return 0;
  norm(x);
  multiply_all(normed_, logits);
  return n_bytes_;
}

std::uint64_t Head::choose(const Rows<float>& x, const std::vector<Chooser>& choosers, Choice* choices) {
  n_bytes_ = 0;
  if (x.n() == 0) return 0;
  norm(x);
  const std::vector<Way> ways = ways_of(choosers);
  std::vector<int> all, few, screened;
  for (int t = 0; t < x.n(); ++t) {
    if (ways[t] == Way::all) all.push_back(t);
    if (ways[t] == Way::screen) screened.push_back(t);
    if (ways[t] == Way::few) few.push_back(t);
    if (ways[t] == Way::only) choices[t] = choose_the_only(choosers[t]);
  }
  choose_among_few(few, choosers, choices);
  const std::vector<int> unsure = choose_by_screen(screened, choosers, choices);
  all.insert(all.end(), unsure.begin(), unsure.end());
  choose_from_all(all, choosers, choices);
  for (int t = 0; t < x.n(); ++t) {
    choices[t].is_finite = choices[t].is_finite && all_finite(normed_.row(t), cpu_.c.hidden_size);
  }
  return n_bytes_;
}

// One allowed token has probability 1, whatever its logit is.
Choice Head::choose_the_only(const Chooser& chooser) const {
  Choice choice;
  choice.token = chooser.mask->first();
  if (!chooser.wants_logprobs()) return choice;
  return choose_from(std::vector<float>(cpu_.c.vocab_size).data(), chooser);
}

// The logits of all other tokens are -infinity.
void Head::choose_among_few(const std::vector<int>& rows, const std::vector<Chooser>& choosers,
                            Choice* choices) {
  if (rows.empty()) return;
  logits_.shape(static_cast<int>(rows.size()), cpu_.c.vocab_size);
  std::fill_n(logits_.data(), rows.size() * cpu_.c.vocab_size, -std::numeric_limits<float>::infinity());
  std::vector<float> few;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::vector<std::int32_t> tokens = choosers[rows[i]].mask->tokens();
    few.resize(tokens.size());
    share_rows(normed_.row(rows[i]), tokens.data(), static_cast<int>(tokens.size()), few.data());
    n_bytes_ += tokens.size() * cpu_.c.hidden_size * sizeof(bf16);
    for (std::size_t j = 0; j < tokens.size(); ++j) logits_.row(static_cast<int>(i))[tokens[j]] = few[j];
  }
  choose_from_logits(rows, choosers, choices);
}

void Head::choose_from_all(const std::vector<int>& rows, const std::vector<Chooser>& choosers,
                           Choice* choices) {
  if (rows.empty()) return;
  const int n = static_cast<int>(rows.size());
  some_.shape(n, cpu_.c.hidden_size);
  for (int i = 0; i < n; ++i) std::copy_n(normed_.row(rows[i]), cpu_.c.hidden_size, some_.row(i));
  logits_.shape(n, cpu_.c.vocab_size);
  multiply_all(some_, logits_.data());
  choose_from_logits(rows, choosers, choices);
}

// Row i of the logits is that of rows[i].
void Head::choose_from_logits(const std::vector<int>& rows, const std::vector<Chooser>& choosers,
                              Choice* choices) {
  cpu_.pool.parallel_for(static_cast<int>(rows.size()), [&](int i, int) {
    choices[rows[i]] = choose_from(logits_.row(i), choosers[rows[i]]);
  });
}

std::vector<int> Head::choose_by_screen(const std::vector<int>& rows, const std::vector<Chooser>& choosers,
                                        Choice* choices) {
  if (rows.empty()) return {};
  const int n = static_cast<int>(rows.size());
  scratch_.resize(cpu_.pool.size());
  screens_.resize(std::max<std::size_t>(screens_.size(), n));
  quant_.shape(normed_.n(), screen_layout_.bytes);
  approx_.shape(n, static_cast<std::size_t>(n_blocks(cpu_.c.vocab_size, kQ8Rows)) * kQ8Rows);
  cpu_.pool.parallel_for(n, [&](int i, int) {
    screens_[i].approx = approx_.row(i);
    prepare_screen(normed_.row(rows[i]), quant_.row(rows[i]), screens_[i]);
  });
  multiply_screens(rows);
  std::vector<std::optional<std::int32_t>> winners(n);
  std::vector<std::uint64_t> n_rescored(n);
  const auto run = [&](int i, auto multiply) {
    winners[i] =
        race(screens_[i], choosers[rows[i]], [&](const std::int32_t* tokens, int n_tokens, float* logits) {
          n_rescored[i] += n_tokens;
          multiply(normed_.row(rows[i]), tokens, n_tokens, logits);
        });
  };
  // One race shares its products among the threads; several races share the threads.
  if (n == 1) {
    run(0, [&](auto... args) { share_rows(args...); });
  } else {
    cpu_.pool.parallel_for(n, [&](int i, int) { run(i, [&](auto... args) { multiply_rows(args...); }); });
  }
  std::vector<int> unsure;
  for (int i = 0; i < n; ++i) {
    n_bytes_ += n_rescored[i] * cpu_.c.hidden_size * sizeof(bf16);
    if (const std::optional<std::int32_t>& winner = winners[i]) {
      choices[rows[i]].token = *winner;
    } else {
      unsure.push_back(rows[i]);
    }
  }
  return unsure;
}

// The numbers that bound a row's logits, without the products. And the row in int8.
void Head::prepare_screen(const float* normed, std::uint8_t* quant, Screen& screen) const {
  const int D = cpu_.c.hidden_size;
  cpu_.k.one.quantize(normed, D, quant);
  const auto* unit = reinterpret_cast<const float*>(quant + screen_layout_.scale_offset);  // halved
  double norm = 0, lost = 0;
  for (int i = 0; i < D; ++i) {
    const auto* v =
        reinterpret_cast<const std::int8_t*>(quant) + (i & 1) * screen_layout_.half_stride + i / 2;
    const double x = normed[i], difference = x - 2.0 * unit[i / kGroup] * *v;
    norm += x * x;
    lost += difference * difference;
  }
  screen.bounds = {std::sqrt(norm), std::sqrt(lost), LogitBounds::gamma_of(D)};
  screen.norms = packed_.q6_norms;
}

void Head::multiply_screens(const std::vector<int>& rows) {
  const int D = cpu_.c.hidden_size, V = cpu_.c.vocab_size, n = static_cast<int>(rows.size());
  const int most = std::min(kBlock, cpu_.task_rows(n));
  const std::size_t tile_bytes = q6_tile_bytes(D);
  cpu_.pool.parallel_for(n_blocks(V, most), [&](int i, int worker) {
    const int row = i * most;
    cpu_.k.q6_matmul(packed_.q6 + row / kQ8Rows * tile_bytes, std::min(most, V - row), D,
                     {quant_.data(), rows.data(), n}, approx_.data() + row, approx_.width(),
                     scratch_[worker].reserve(kernels::scratch_bytes(D)));
  });
  n_bytes_ += n_blocks(V, kQ8Rows) * tile_bytes + static_cast<std::uint64_t>(V) * 2 * sizeof(float);
}

}  // namespace ossnb
