#include "ops/cpu/screen.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "choice/noise.h"

namespace ossnb {

namespace {

constexpr double kLowest = -std::numeric_limits<double>::infinity();

class Race {
 public:
  Race(Screen& screen, const Chooser& chooser, const Rescore& rescore)
      : screen_(screen),
        chooser_(chooser),
        rescore_(rescore),
        n_vocab_(chooser.sampler->n_vocab()),
        most_(std::max(64, n_vocab_ / 8)),
        inverse_(1 / chooser.sampler->settings().temperature) {}

  std::optional<std::int32_t> run() {
    mark_disallowed();
    if (!find_likeliest()) return {};
    if (chooser_.sampler->settings().temperature == 0) return likeliest_;
    return find_winner();
  }

 private:
  bool allows(std::int32_t token) const { return !chooser_.mask || chooser_.mask->allows(token); }

  // Then no bound of such a row reaches another row's. Where a bound is NaN, allows() decides.
  void mark_disallowed() {
    if (!chooser_.mask) return;
    for (std::int32_t i = 0; i < n_vocab_; ++i) {
      if (!chooser_.mask->allows(i)) screen_.approx[i] = -std::numeric_limits<float>::infinity();
    }
  }

  float one_logit(std::int32_t row) const {
    float logit;
    rescore_(&row, 1, &logit);
    return logit;
  }

  // Computes the logits of rows_. False when the rows are too many.
  bool rescore_rows() {
    if (rows_.size() > most_) return false;
    logits_.resize(rows_.size());
    rescore_(rows_.data(), static_cast<int>(rows_.size()), logits_.data());
    return true;
  }

  double noise_for(std::int32_t token) const {
    return noise(chooser_.sampler->settings().seed, chooser_.position, token);
  }

  // Finds the likeliest token. A row is out when its upper bound is below the logit of the row with the best
  // lower bound. Taking that logit, and not its lower bound, halves the distance that the other rows have to
  // make up.
  bool find_likeliest() {
    std::int32_t leader = -1;
    double floor = kLowest;
    for (std::int32_t i = 0; i < n_vocab_; ++i) {
      if (screen_.low(i) > floor) {
        floor = screen_.low(i);
        leader = i;
      }
    }
    if (leader < 0 || !std::isfinite(floor)) return false;
    floor = one_logit(leader);
    for (std::int32_t i = 0; i < n_vocab_; ++i) {
      if (!(screen_.high(i) < floor) && allows(i)) rows_.push_back(i);
    }
    if (rows_.empty() || !rescore_rows()) return false;
    float top = -std::numeric_limits<float>::infinity();
    likeliest_ = rows_[0];
    top_ = logits_[0];
    for (std::size_t i = 0; i < rows_.size(); ++i) {  // the first of the largest; NaNs never win
      if (logits_[i] > top) {
        top = top_ = logits_[i];
        likeliest_ = rows_[i];
      }
    }
    return std::isfinite(top_);
  }

  double bar(double reached) const { return losing_score(reached, top_, inverse_); }

  // Runs the race. The noise is known exactly, so bounds of the logits are bounds of the scores.
  std::optional<std::int32_t> find_winner() {
    double best = noise_for(likeliest_);                  // a score that some token reaches
    std::int32_t leader = -1;                             // the token with the best lower bound of a score
    std::vector<std::pair<double, std::int32_t>> rivals;  // upper bound of the score, token
    for (std::int32_t token = 0; token < n_vocab_; token += 4) {
      const auto word = noise_words(chooser_.sampler->settings().seed, chooser_.position, token);
      for (std::int32_t i = token; i < std::min(token + 4, n_vocab_); ++i) {
        const double base = (screen_.high(i) - top_) * inverse_;
        if (base + noise_bound(word[i - token]) < bar(best)) continue;  // as in Sampler::draw()
        const double gumbel = noise_of(word[i - token]);
        if (base + gumbel < bar(best) || !allows(i)) continue;
        if (const double least = (screen_.low(i) - top_) * inverse_ + gumbel; least > best) {
          best = least;
          leader = i;
        }
        rivals.emplace_back(base + gumbel, i);
      }
    }
    if (leader >= 0) best = std::max(best, score(leader, one_logit(leader)));
    rows_.clear();
    for (const auto& [bound, token] : rivals) {
      if (!(bound < bar(best))) rows_.push_back(token);
    }
    if (!rescore_rows()) return {};
    return highest_score();
  }

  double score(std::int32_t token, float logit) const {
    return (static_cast<double>(logit) - top_) * inverse_ + noise_for(token);
  }

  std::optional<std::int32_t> highest_score() const {
    double best = kLowest;
    std::optional<std::int32_t> winner;
    for (std::size_t i = 0; i < rows_.size(); ++i) {  // rising tokens, so a tie stays with the lower one
      if (const double s = score(rows_[i], logits_[i]); s > best) {
        best = s;
        winner = rows_[i];
      }
    }
    return winner;
  }

  Screen& screen_;
  const Chooser& chooser_;
  const Rescore& rescore_;
  const std::int32_t n_vocab_;
  const std::size_t most_;  // rows that are rescored at once
  const double inverse_;    // of the temperature
  std::vector<std::int32_t> rows_;
  std::vector<float> logits_;  // of rows_
  std::int32_t likeliest_ = -1;
  float top_ = 0;  // its logit
};

}  // namespace

std::optional<std::int32_t> race(Screen& screen, const Chooser& chooser, const Rescore& rescore) {
  return Race(screen, chooser, rescore).run();
}

}  // namespace ossnb
