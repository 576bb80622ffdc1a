// A sum over bytes, at memory speed.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/thread_pool.h"

namespace ossnb {

// The sum tells damaged data from whole data: a change of a single word changes it. It does not protect
// against forgery.
std::uint64_t checksum(const std::uint8_t* data, std::size_t n, ThreadPool& pool);

}  // namespace ossnb
