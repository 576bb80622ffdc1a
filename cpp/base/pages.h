// Mapped files and the page cache.
#pragma once

#include <cstddef>

namespace ossnb {

// The share of a mapped range that is in memory, judged by up to n_samples of its pages. 1 where the system
// does not tell, and for files of other users.
double resident_share(const void* data, std::size_t n_bytes, int n_samples);

// Asks the system to read a whole mapped range from its file, in the background, if one of a few sampled
// pages is not in memory, or was not touched by this process yet. Returns whether it asked. Where everything
// is in memory, this costs a few system calls.
bool prefetch_if_absent(const void* data, std::size_t n_bytes);

}  // namespace ossnb
