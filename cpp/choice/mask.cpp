#include "choice/mask.h"

#include <bit>
#include <string>

#include "base/error.h"

namespace ossnb {

TokenMask::TokenMask(std::vector<std::uint32_t> words, int n_vocab)
    : words_(std::move(words)), n_vocab_(n_vocab) {
  const int n_words = (n_vocab + 31) / 32, got = static_cast<int>(words_.size());
  if (got != n_words) {
    throw ValueError("the mask has " + std::to_string(got) + " words, expected " + std::to_string(n_words) +
                     ": one bit for each of " + std::to_string(n_vocab) + " tokens, 32 in a word");
  }
  if (n_vocab % 32 != 0) words_.back() &= (std::uint32_t{1} << (n_vocab % 32)) - 1;
  for (const std::uint32_t word : words_) n_allowed_ += std::popcount(word);
  if (n_allowed_ == 0)
    throw ValueError("the mask allows no token; expected at least one bit of it to be set");
}

std::int32_t TokenMask::first() const {
  std::int32_t word = 0;
  while (words_[word] == 0) ++word;
  return word * 32 + std::countr_zero(words_[word]);
}

std::vector<std::int32_t> TokenMask::tokens() const {
  std::vector<std::int32_t> tokens;
  tokens.reserve(n_allowed_);
  for (std::int32_t word = 0; word < static_cast<std::int32_t>(words_.size()); ++word) {
    for (std::uint32_t left = words_[word]; left != 0; left &= left - 1) {
      tokens.push_back(word * 32 + std::countr_zero(left));
    }
  }
  return tokens;
}

}  // namespace ossnb
