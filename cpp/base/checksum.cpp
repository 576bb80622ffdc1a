#include "base/checksum.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace ossnb {

namespace {

std::uint64_t mixed(std::uint64_t h, std::uint64_t word) {
  h = (h + word) * 0x9E3779B97F4A7C15ull;  // odd, so no two words give the same sum
  return h ^ (h >> 32);
}

std::uint64_t checksum_of_piece(const std::uint8_t* p, std::size_t n) {
  constexpr int kLanes = 8;  // independent, so that one's multiplication hides another's
  std::uint64_t lane[kLanes] = {1, 2, 3, 4, 5, 6, 7, 8}, word[kLanes];
  std::size_t i = 0;
  for (; i + sizeof(word) <= n; i += sizeof(word)) {
    std::memcpy(word, p + i, sizeof(word));
    for (int j = 0; j < kLanes; ++j) lane[j] = mixed(lane[j], word[j]);
  }
  std::uint64_t h = n;
  for (; i < n; ++i) h = mixed(h, p[i]);
  for (const std::uint64_t l : lane) h = mixed(h, l);
  return h;
}

}  // namespace

std::uint64_t checksum(const std::uint8_t* data, std::size_t n, ThreadPool& pool) {
  constexpr std::size_t kPiece = std::size_t{1} << 20;
  const std::size_t n_pieces = (n + kPiece - 1) / kPiece;
  std::vector<std::uint64_t> pieces(n_pieces);
  pool.parallel_for(static_cast<int>(n_pieces), [&](int i, int) {
    pieces[i] = checksum_of_piece(data + i * kPiece, std::min(kPiece, n - i * kPiece));
  });
  std::uint64_t h = n;
  for (const std::uint64_t piece : pieces) h = mixed(h, piece);
  return h;
}

}  // namespace ossnb
