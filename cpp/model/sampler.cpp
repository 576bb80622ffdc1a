#include "model/sampler.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

#include "base/error.h"
#include "model/random.h"

namespace ossnb {

namespace {

constexpr double kLargestInverse = 1e12;  // of a temperature whose scores keep digits enough to compare
constexpr float kLowest = -std::numeric_limits<float>::infinity();

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

// Gumbel noise -log(-log(u)) with u from 32 random bits, never 0 or 1.
double noise(std::uint32_t word) {
  const double u = (word + 0.5) * 0x1p-32;
  return -natural_log(-natural_log(u));
}

}  // namespace

Sampler::Sampler(SamplerSettings settings, int n_vocab, std::vector<std::int32_t> prompt)
    : s_(std::move(settings)),
      n_vocab_(n_vocab),
      seen_(prompt.begin(), prompt.end()),
      kernels_(kernels::choose("")) {
  require(n_vocab >= 1, "n_vocab", n_vocab, ">= 1");
  require(s_.temperature >= 0, "temperature", s_.temperature, ">= 0");
  require(s_.top_k >= 0, "top_k", s_.top_k, ">= 0 (0 turns it off)");
  require(s_.top_p > 0 && s_.top_p <= 1, "top_p", s_.top_p, "above 0 and at most 1");
  require(s_.min_p >= 0 && s_.min_p < 1, "min_p", s_.min_p, "at least 0 and below 1");
  require(s_.repetition_penalty > 0, "repetition_penalty", s_.repetition_penalty, "> 0");
  for (const auto& [token, bias] : s_.logit_bias) {
    require(token >= 0 && token < n_vocab, "a token of logit_bias", token, "in the vocabulary");
    require(!std::isnan(bias), "a logit_bias", bias, "a number");
  }
}

void Sampler::accept(std::int32_t token) {
  seen_.insert(token);
  ++n_generated_[token];
}

void Sampler::penalise(std::vector<float>& logits) const {
  const auto in_range = [&](std::int32_t token) { return token >= 0 && token < n_vocab_; };
  if (s_.repetition_penalty != 1) {
    const auto penalty = static_cast<float>(s_.repetition_penalty);
    for (const std::int32_t token : seen_) {
      if (!in_range(token)) continue;
      float& logit = logits[token];
      logit = logit > 0 ? logit / penalty : logit * penalty;
    }
  }
  if (s_.presence_penalty != 0 || s_.frequency_penalty != 0) {
    for (const auto& [token, n] : n_generated_) {
      if (in_range(token))
        logits[token] -= static_cast<float>(s_.presence_penalty + s_.frequency_penalty * n);
    }
  }
  for (const auto& [token, bias] : s_.logit_bias) logits[token] += static_cast<float>(bias);
}

// Tokens that top_k, then top_p, then min_p leave, likeliest first. Probabilities are those at the
// temperature.
std::vector<std::int32_t> Sampler::survivors(const std::vector<float>& logits, float top) const {
  std::vector<float> p(n_vocab_);  // up to a common factor: the likeliest has 1
  for (int i = 0; i < n_vocab_; ++i) {
    p[i] = static_cast<float>((static_cast<double>(logits[i]) - top) / s_.temperature);
  }
  kernels_.exp(p.data(), n_vocab_, p.data());
  const double all = std::accumulate(p.begin(), p.end(), 0.0);

  // Only tokens above a cut are sorted; the cut falls until enough of them are.
  std::vector<Candidate> kept;
  double mass = 0;
  for (float cut = 1e-3f;; cut *= cut) {
    const float floor = std::max(cut, static_cast<float>(s_.min_p));
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
  double total = all;  // what top_p is a share of
  if (s_.top_k > 0) {
    kept.resize(std::min<std::size_t>(kept.size(), s_.top_k));
    total = 0;
    for (const auto& [logit, token] : kept) total += p[token];
  }

  std::vector<std::int32_t> tokens;
  mass = 0;
  for (const auto& [logit, token] : kept) {
    if (s_.top_p < 1 && !tokens.empty() && mass >= s_.top_p * total) break;
    tokens.push_back(token);
    mass += p[token];
  }
  return tokens;
}

// The random words of four tokens, `token` among them.
std::array<std::uint32_t, 4> Sampler::words(std::int32_t token, std::int64_t position) const {
  return philox(s_.seed, {static_cast<std::uint32_t>(token / 4), static_cast<std::uint32_t>(position),
                          static_cast<std::uint32_t>(position >> 32), 0});
}

std::int32_t Sampler::draw(const std::vector<float>& logits, const std::vector<std::int32_t>* allowed,
                           float top, std::int64_t position) const {
  const double inverse = 1 / s_.temperature;
  double best_score = -std::numeric_limits<double>::infinity();
  std::int32_t best = -1;
  const auto consider = [&](std::int32_t token, std::uint32_t word) {
    const double base = (static_cast<double>(logits[token]) - top) * inverse;
    // -log(-log(u)) <= -log(1 - u) <= (leading ones of the word + 1) ln 2: most tokens need no logarithm.
    if (base + (std::countl_one(word) + 1) * kLn2 < best_score) return;
    const double score = base + noise(word);
    if (score > best_score || (score == best_score && token < best)) {
      best_score = score;
      best = token;
    }
  };
  if (allowed) {
    for (const std::int32_t token : *allowed) consider(token, words(token, position)[token % 4]);
  } else {
    const std::int32_t likeliest = argmax(logits.data(), n_vocab_);
    consider(likeliest, words(likeliest, position)[likeliest % 4]);  // first, so that the bound bites at once
    for (std::int32_t token = 0; token < n_vocab_; token += 4) {
      const auto word = words(token, position);
      for (int i = 0; i < 4 && token + i < n_vocab_; ++i) consider(token + i, word[i]);
    }
  }
  return best < 0 ? 0 : best;  // -1: every logit was NaN
}

bool Sampler::needs_all_logits() const {
  const bool penalised = s_.repetition_penalty != 1 || s_.presence_penalty != 0 ||
                         s_.frequency_penalty != 0 || !s_.logit_bias.empty();
  const bool filtered = s_.top_k > 0 || s_.top_p < 1 || s_.min_p > 0;
  const bool overflows = s_.temperature != 0 && !(1 / s_.temperature < kLargestInverse);
  return penalised || filtered || overflows;
}

std::optional<std::int32_t> Sampler::choose(const Screen& screen, std::int64_t position,
                                            const Rescore& rescore) const {
  const std::size_t most = std::max(64, n_vocab_ / 8);
  std::vector<std::int32_t> rows;
  std::vector<float> logits;
  const auto low = [&](int i) { return screen.approx[i] - screen.radius(i); };
  const auto high = [&](int i) { return screen.approx[i] + screen.radius(i); };

  const auto one_logit = [&](std::int32_t row) {
    float logit;
    rescore(&row, 1, &logit);
    return logit;
  };

  // First the likeliest token: no row whose upper bound is below another's logit. The best lower bound tells
  // whose; its logit itself halves the distance that the others have to make up.
  std::int32_t leader = -1;
  double floor = -std::numeric_limits<double>::infinity();
  for (std::int32_t i = 0; i < n_vocab_; ++i) {
    if (low(i) > floor) {
      floor = low(i);
      leader = i;
    }
  }
  if (leader < 0 || !std::isfinite(floor)) return {};
  floor = one_logit(leader);
  for (std::int32_t i = 0; i < n_vocab_; ++i) {
    if (!(high(i) < floor)) rows.push_back(i);
  }
  if (rows.size() > most) return {};
  logits.resize(rows.size());
  rescore(rows.data(), static_cast<int>(rows.size()), logits.data());
  const std::int32_t at = argmax(logits.data(), static_cast<int>(logits.size()));
  if (rows.empty() || !std::isfinite(logits[at])) return {};
  if (s_.temperature == 0) return rows[at];

  // Then the race: the noise is known exactly, so bounds of the logits are bounds of the scores.
  const float top = logits[at];
  const double inverse = 1 / s_.temperature;
  double best = noise(words(rows[at], position)[rows[at] % 4]);  // a score that is reached
  // More than the rounding of the few operations below and in draw().
  const double logit_slack = 1e-14 * (1 + std::fabs(top)) * inverse;
  const auto bar = [&] { return best - 1e-9 * (1 + std::fabs(best)) - logit_slack; };
  leader = -1;                                          // who has the best lower bound of a score
  std::vector<std::pair<double, std::int32_t>> rivals;  // upper bound of the score, token
  for (std::int32_t token = 0; token < n_vocab_; token += 4) {
    const auto word = words(token, position);
    for (std::int32_t i = token; i < std::min(token + 4, n_vocab_); ++i) {
      const double base = (high(i) - top) * inverse;
      if (base + (std::countl_one(word[i - token]) + 1) * kLn2 < bar()) continue;  // as in draw()
      const double gumbel = noise(word[i - token]);
      if (base + gumbel < bar()) continue;
      if (const double least = (low(i) - top) * inverse + gumbel; least > best) {
        best = least;
        leader = i;
      }
      rivals.emplace_back(base + gumbel, i);
    }
  }
  if (leader >= 0) {
    const double base = (static_cast<double>(one_logit(leader)) - top) * inverse;
    best = std::max(best, base + noise(words(leader, position)[leader % 4]));
  }
  rows.clear();
  for (const auto& [bound, token] : rivals) {
    if (!(bound < bar())) rows.push_back(token);
  }
  if (rows.size() > most) return {};
  logits.resize(rows.size());
  rescore(rows.data(), static_cast<int>(rows.size()), logits.data());
  double best_score = -std::numeric_limits<double>::infinity();
  std::int32_t winner = -1;
  for (std::size_t i = 0; i < rows.size(); ++i) {  // rising tokens, so a tie stays with the lower one
    const double base = (static_cast<double>(logits[i]) - top) * inverse;
    const double score = base + noise(words(rows[i], position)[rows[i] % 4]);
    if (score > best_score) {
      best_score = score;
      winner = rows[i];
    }
  }
  if (winner < 0) return {};
  return winner;
}

Choice Sampler::sample(const float* logits, std::int64_t position, int n_top) const {
  Choice choice;
  const float top = logits[argmax(logits, n_vocab_)];
  const double log_sum = top + natural_log(sum_exp(kernels_, logits, n_vocab_, top));

  std::vector<float> adjusted(logits, logits + n_vocab_);
  penalise(adjusted);
  const std::int32_t likeliest = argmax(adjusted.data(), n_vocab_);
  if (s_.temperature == 0) {
    choice.token = likeliest;
  } else {
    const float best = adjusted[likeliest];
    const bool filtered = s_.top_k > 0 || s_.top_p < 1 || s_.min_p > 0;
    const std::vector<std::int32_t> allowed =
        filtered ? survivors(adjusted, best) : std::vector<std::int32_t>{};
    choice.token = draw(adjusted, filtered ? &allowed : nullptr, best, position);
  }
  choice.logprob = static_cast<float>(logits[choice.token] - log_sum);

  if (n_top > 0) {
    std::vector<Candidate> all(n_vocab_);
    for (std::int32_t i = 0; i < n_vocab_; ++i) all[i] = {logits[i], i};
    const int n = std::min(n_top, n_vocab_);
    std::partial_sort(all.begin(), all.begin() + n, all.end(), likelier);
    for (int i = 0; i < n; ++i)
      choice.top.emplace_back(all[i].second, static_cast<float>(all[i].first - log_sum));
  }
  return choice;
}

}  // namespace ossnb
