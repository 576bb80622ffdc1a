// Byte-pair encoding: a piece of text becomes the tokens that its bytes merge to.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace ossnb {

// Tokens by rank: the lower a token's id, the earlier its halves merge. All 256 bytes are tokens.
class Vocabulary {
 public:
  // `tokens` in the order of their ids; ValueError for an empty token, a token that comes twice, a missing
  // byte.
  explicit Vocabulary(const std::vector<std::string_view>& tokens);
  // The tokens' places point into `text_`.
  Vocabulary(const Vocabulary&) = delete;
  Vocabulary& operator=(const Vocabulary&) = delete;

  // Appends the ids of a piece. Time grows as n log n with its bytes, whatever they are. `poll` is called now
  // and then in a long piece and may throw.
  void encode(std::string_view piece, std::vector<std::int32_t>& ids,
              const std::function<void()>& poll) const;

 private:
  std::int32_t rank(std::string_view bytes) const;  // kNone if it is no token
  void merge(std::string_view piece, std::vector<std::int32_t>& ids, const std::function<void()>& poll) const;

  std::string text_;  // of all tokens, one after the other
  std::unordered_map<std::string_view, std::int32_t> rank_of_;
  std::size_t longest_ = 0;  // bytes of a token
};

}  // namespace ossnb
