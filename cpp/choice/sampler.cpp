#include "choice/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

#include "base/error.h"
#include "choice/noise.h"

namespace ossnb {

namespace {

constexpr double kLargestInverse = 1e12;  // of a temperature; larger ones leave scores too few digits
constexpr float kLowest = -std::numeric_limits<float>::infinity(),
                kHighest = std::numeric_limits<float>::max();

void require(bool holds, const char* name, double got, const char* expected) {
  if (!holds) throw ValueError(std::string(name) + " must be " + expected + ", got " + std::to_string(got));
}

// The first of the largest; NaNs never win.
std::int32_t argmax(const float* x, int n) {
  std::int32_t best = 0;
  float top = kLowest;
  for (std::int32_t i = 0; i < n; ++i) {
    if (x[i] > top) {
      top = x[i];
      best = i;
    }
  }
  return best;
}

// sum of exp(x - shift), in double over pieces of 1024 so that a vocabulary of 200,000 loses nothing.
double sum_exp(const kernels::Table& kernels, const float* x, int n, float shift) {
  double sum = 0;
  for (int i = 0; i < n; i += 1024) sum += kernels.sum_exp(x + i, std::min(1024, n - i), shift);
  return sum;
}

bool likelier(const std::pair<float, std::int32_t>& a, const std::pair<float, std::int32_t>& b) {
  return a.first != b.first ? a.first > b.first : a.second < b.second;
}

void disallow(std::vector<float>& logits, const TokenMask& mask) {
  for (std::int32_t i = 0; i < static_cast<std::int32_t>(logits.size()); ++i) {
    if (!mask.allows(i)) logits[i] = kLowest;
  }
}

}  // namespace

Sampler::Sampler(SamplerSettings settings, int n_vocab, std::span<const std::int32_t> prompt)
    : s_(std::move(settings)), n_vocab_(n_vocab), kernels_(kernels::choose("")) {
  require(n_vocab >= 1, "n_vocab", n_vocab, ">= 1");
  require(s_.temperature >= 0, "temperature", s_.temperature, ">= 0");
  require(s_.top_k >= 0, "top_k", s_.top_k, ">= 0 (0 turns it off)");
  require(s_.top_p > 0 && s_.top_p <= 1, "top_p", s_.top_p, "above 0 and at most 1");
  require(s_.min_p >= 0 && s_.min_p < 1, "min_p", s_.min_p, "at least 0 and below 1");
  require(std::isfinite(s_.temperature), "temperature", s_.temperature, "finite");
  require(s_.repetition_penalty > 0 && std::isfinite(s_.repetition_penalty), "repetition_penalty",
          s_.repetition_penalty, "> 0 and finite");
  for (const auto& [token, bias] : s_.logit_bias) {
    require(token >= 0 && token < n_vocab, "a token of logit_bias", token, "in the vocabulary");
    require(!std::isnan(bias), "a logit_bias", bias, "a number");
  }
  if (s_.repetition_penalty == 1) return;
  is_seen_.resize(n_vocab);
  for (const std::int32_t token : prompt) see(token);
}

void Sampler::see(std::int32_t token) {
  if (!is_seen_.empty() && is_in_vocabulary(token)) is_seen_[token] = true;
}

void Sampler::accept(std::int32_t token) {
  see(token);
  ++n_generated_[token];
}

// The logits after penalties and bias; -infinity where the mask allows nothing.
std::vector<float> Sampler::penalised(const float* untouched, const TokenMask* mask) const {
  std::vector<float> logits(untouched, untouched + n_vocab_);
  if (s_.repetition_penalty != 1) {
    const auto penalty = static_cast<float>(s_.repetition_penalty);
    for (int token = 0; token < n_vocab_; ++token) {
      if (!is_seen_[token]) continue;
      float& logit = logits[token];
      logit = logit > 0 ? logit / penalty : logit * penalty;
    }
  }
  if (s_.presence_penalty != 0 || s_.frequency_penalty != 0) {
    for (const auto& [token, n] : n_generated_) {
      if (is_in_vocabulary(token))
        logits[token] -= static_cast<float>(s_.presence_penalty + s_.frequency_penalty * n);
    }
  }
  for (const auto& [token, bias] : s_.logit_bias) logits[token] += static_cast<float>(bias);
  if (mask) disallow(logits, *mask);
  // Two infinite logits have no difference.
  for (float& logit : logits) logit = logit > kHighest ? kHighest : logit;
  return logits;
}

// The tokens that top_k, then top_p, then min_p leave, likeliest first. Probabilities are those at the
// temperature.
std::vector<std::int32_t> Sampler::survivors(const std::vector<float>& logits, float top) const {
  std::vector<float> p(n_vocab_);  // up to a common factor: the likeliest has 1
  for (int i = 0; i < n_vocab_; ++i) {
    p[i] = static_cast<float>((static_cast<double>(logits[i]) - top) / s_.temperature);
  }
  kernels_.exp(p.data(), n_vocab_, p.data());
  const double all = std::accumulate(p.begin(), p.end(), 0.0);

  // Only tokens above a cut are sorted. The cut falls until there are enough of them. What min_p drops is no
  // candidate, unless top_p is a share of the likeliest top_k, with them.
  const auto min_p = static_cast<float>(s_.min_p);
  const float least = s_.top_k > 0 && s_.top_p < 1 ? 0 : min_p;
  std::vector<Candidate> kept;
  double mass = 0;
  for (float cut = 1e-3f;; cut *= cut) {
    const float floor = std::max(cut, least);
    kept.clear();
    mass = 0;
    for (std::int32_t i = 0; i < n_vocab_; ++i) {
      if (p[i] < floor || p[i] == 0) continue;
      kept.emplace_back(logits[i], i);
      mass += p[i];
    }
    const bool enough =
        s_.top_k > 0 ? static_cast<int>(kept.size()) >= s_.top_k : s_.top_p < 1 && mass >= s_.top_p * all;
    if (enough || cut == 0 || floor > cut) break;
  }
  std::sort(kept.begin(), kept.end(), likelier);
  double total = all;  // top_p is a share of it
  if (s_.top_k > 0) {
    kept.resize(std::min<std::size_t>(kept.size(), s_.top_k));
    total = 0;
    for (const auto& [logit, token] : kept) total += p[token];
  }

  std::vector<std::int32_t> tokens;
  mass = 0;
  for (const auto& [logit, token] : kept) {
    if (p[token] < min_p || (s_.top_p < 1 && !tokens.empty() && mass >= s_.top_p * total)) break;
    tokens.push_back(token);
    mass += p[token];
  }
  return tokens;
}

// -1 where no score is a number.
std::int32_t Sampler::draw(const std::vector<float>& logits, const std::vector<std::int32_t>* among,
                           float top, std::int64_t position) const {
  const double inverse = 1 / s_.temperature;
  double best_score = -std::numeric_limits<double>::infinity();
  std::int32_t best = -1;
  const auto consider = [&](std::int32_t token, std::uint32_t word) {
    const double base = (static_cast<double>(logits[token]) - top) * inverse;
    if (base + noise_bound(word) < best_score) return;  // most tokens need no logarithm
    const double score = base + noise_of(word);
    if (score > best_score || (score == best_score && token < best)) {
      best_score = score;
      best = token;
    }
  };
  const auto word_of = [&](std::int32_t token) { return noise_words(s_.seed, position, token)[token % 4]; };
  if (among) {
    for (const std::int32_t token : *among) consider(token, word_of(token));
    return best;
  }
  const std::int32_t likeliest = argmax(logits.data(), n_vocab_);
  consider(likeliest, word_of(likeliest));  // first, so that the bound excludes tokens at once
  for (std::int32_t token = 0; token < n_vocab_; token += 4) {
    const auto word = noise_words(s_.seed, position, token);
    for (int i = 0; i < 4 && token + i < n_vocab_; ++i) consider(token + i, word[i]);
  }
  return best;
}

bool Sampler::needs_all_logits() const {
  const bool is_penalised = s_.repetition_penalty != 1 || s_.presence_penalty != 0 ||
                            s_.frequency_penalty != 0 || !s_.logit_bias.empty();
  const bool overflows = s_.temperature != 0 && !(1 / s_.temperature < kLargestInverse);
  return is_penalised || filters() || overflows;
}

std::int32_t Sampler::token(const float* logits, std::int64_t position, const TokenMask* mask) const {
  const std::vector<float> adjusted = penalised(logits, mask);
  const std::int32_t likeliest = argmax(adjusted.data(), n_vocab_), fallback = mask ? mask->first() : 0;
  if (mask && !mask->allows(likeliest)) return fallback;  // all allowed logits are -infinity or NaN
  if (!std::isfinite(1 / s_.temperature)) return likeliest;
  const float top = adjusted[likeliest];
  std::vector<std::int32_t> among;
  if (filters()) {
    among = survivors(adjusted, top);
  } else if (mask) {
    among = mask->tokens();
  }
  const std::int32_t drawn = draw(adjusted, filters() || mask ? &among : nullptr, top, position);
  return drawn < 0 ? fallback : drawn;
}

Logprobs Sampler::logprobs(const float* logits, std::int32_t token, int n_top, const TokenMask* mask) const {
  std::vector<float> masked;
  if (mask) {
    masked.assign(logits, logits + n_vocab_);
    disallow(masked, *mask);
    logits = masked.data();
  }
  const float top = logits[argmax(logits, n_vocab_)];
  const double log_sum = top + natural_log(sum_exp(kernels_, logits, n_vocab_, top));
  Logprobs found{.token = static_cast<float>(logits[token] - log_sum), .top = {}};
  if (n_top <= 0) return found;
  std::vector<Candidate> all(n_vocab_);
  for (std::int32_t i = 0; i < n_vocab_; ++i) all[i] = {logits[i], i};
  const int n = std::min(n_top, mask ? mask->n_allowed() : n_vocab_);
  std::partial_sort(all.begin(), all.begin() + n, all.end(), likelier);
  for (int i = 0; i < n; ++i) {
    found.top.emplace_back(all[i].second, static_cast<float>(all[i].first - log_sum));
  }
  return found;
}

}  // namespace ossnb
