// Memory that a file is mapped to. Where the file becomes shorter, a read of the lost part raises SIGBUS,
// which ends the process. A watched range reads as zeros instead, and tells so afterwards.
#pragma once

#include <cstddef>

namespace ossnb {

class WatchedRange {
 public:
  // Watches nothing where all places are taken, or where the system has no such signal.
  WatchedRange(const void* data, std::size_t n_bytes);
  ~WatchedRange();
  WatchedRange(const WatchedRange&) = delete;
  WatchedRange& operator=(const WatchedRange&) = delete;

  // Whether a part of the file was missing when it was read, so that zeros were read. Also installs the
  // handler again where another library has replaced it.
  bool is_lost() const;

 private:
  int place_ = -1;
};

}  // namespace ossnb
