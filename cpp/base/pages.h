// Mapped files and the page cache.
#pragma once

#include <cstddef>

namespace ossnb {

// The share of a mapped range that is in memory, judged by up to n_samples of its pages. 1 where the system
// does not tell.
double resident_share(const void* data, std::size_t n_bytes, int n_samples);

// Asks the system to read a mapped range from its file, all of it and in the background, if a few pages
// looked at are not in memory. Says whether it asked. Cheap when everything is there: a few system calls.
bool prefetch_if_absent(const void* data, std::size_t n_bytes);

}  // namespace ossnb
