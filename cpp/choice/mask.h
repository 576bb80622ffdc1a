// The tokens that a row may choose from.
#pragma once

#include <cstdint>
#include <vector>

namespace ossnb {

class TokenMask {
 public:
  // Bit t % 32 of word t / 32 allows token t; bits past the vocabulary do not count. ValueError when there
  // are too few or too many words, or when no token is allowed.
  TokenMask(std::vector<std::uint32_t> words, int n_vocab);

  int n_allowed() const { return n_allowed_; }
  bool allows(std::int32_t token) const { return words_[token / 32] >> (token % 32) & 1; }
  const std::vector<std::uint32_t>& words() const { return words_; }
  std::int32_t first() const;                // the lowest allowed token
  std::vector<std::int32_t> tokens() const;  // the allowed ones, rising

 private:
  std::vector<std::uint32_t> words_;
  int n_vocab_, n_allowed_ = 0;
};

}  // namespace ossnb
