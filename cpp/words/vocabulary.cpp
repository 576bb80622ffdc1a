#include "words/vocabulary.h"

#include <limits>
#include <queue>

#include "base/error.h"

namespace ossnb {

namespace {

constexpr std::int32_t kNone = std::numeric_limits<std::int32_t>::max();
constexpr int kMergesBetweenPolls = 1 << 14;

// A run of a piece's bytes that has merged to one token, in a list of neighbours.
struct Run {
  int begin, end, before, after;  // places of neighbours; -1 where there is none
};

// Two neighbouring runs that would merge to a token. Out of date once either has changed.
struct Merge {
  std::int32_t rank;
  int left, end;

  // The lowest rank first, and of equal ones the leftmost.
  bool operator<(const Merge& other) const {
    return rank != other.rank ? rank > other.rank : left > other.left;
  }
};

}  // namespace

Vocabulary::Vocabulary(const std::vector<std::string_view>& tokens) {
  std::size_t n_bytes = 0;
  for (const std::string_view token : tokens) n_bytes += token.size();
  text_.reserve(n_bytes);  // the views below must not move
  rank_of_.reserve(tokens.size());
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    if (tokens[id].empty()) throw ValueError("token " + std::to_string(id) + " has no bytes");
    text_ += tokens[id];
    const std::string_view own(text_.data() + text_.size() - tokens[id].size(), tokens[id].size());
    const auto [at, is_new] = rank_of_.emplace(own, static_cast<std::int32_t>(id));
    if (!is_new) {
      throw ValueError("tokens " + std::to_string(at->second) + " and " + std::to_string(id) +
                       " are the same bytes");
    }
    longest_ = std::max(longest_, own.size());
  }
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    if (rank({&c, 1}) == kNone) throw ValueError("no token for the byte " + std::to_string(byte));
  }
}

std::int32_t Vocabulary::rank(std::string_view bytes) const {
  if (bytes.size() > longest_) return kNone;
  const auto at = rank_of_.find(bytes);
  return at == rank_of_.end() ? kNone : at->second;
}

void Vocabulary::encode(std::string_view piece, std::vector<std::int32_t>& ids,
                        const std::function<void()>& poll) const {
  if (piece.empty()) return;
  if (const std::int32_t whole = rank(piece); whole != kNone) {
    ids.push_back(whole);
  } else {
    merge(piece, ids, poll);
  }
}

void Vocabulary::merge(std::string_view piece, std::vector<std::int32_t>& ids,
                       const std::function<void()>& poll) const {
  const int n = static_cast<int>(piece.size());
  std::vector<Run> runs(n);
  std::priority_queue<Merge> merges;
  const auto bytes_of = [&](int begin, int end) { return piece.substr(begin, end - begin); };
  const auto consider = [&](int left, int right) {
    if (left < 0 || right < 0) return;
    const std::int32_t r = rank(bytes_of(runs[left].begin, runs[right].end));
    if (r != kNone) merges.push({r, left, runs[right].end});
  };
  for (int i = 0; i < n; ++i) runs[i] = {i, i + 1, i - 1, i + 1 < n ? i + 1 : -1};
  for (int i = 0; i + 1 < n; ++i) {
    if (i > 0 && i % kMergesBetweenPolls == 0) poll();
    consider(i, i + 1);
  }
  for (int count = 1; !merges.empty(); ++count) {
    if (count % kMergesBetweenPolls == 0) poll();
    const Merge best = merges.top();
    merges.pop();
    Run& left = runs[best.left];
    if (left.end == 0 || left.after < 0 || runs[left.after].end != best.end) continue;  // out of date
    Run& right = runs[left.after];
    left.end = right.end;
    left.after = right.after;
    right.end = 0;  // it is part of its neighbour now
    if (left.after >= 0) runs[left.after].before = best.left;
    consider(left.before, best.left);
    consider(best.left, left.after);
  }
  for (int i = 0; i >= 0; i = runs[i].after) ids.push_back(rank(bytes_of(runs[i].begin, runs[i].end)));
}

}  // namespace ossnb
