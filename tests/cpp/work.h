#pragma once

namespace ossnb::testing {

// Runs one kernel of a level so many times and prints the multiply-adds of a round; false for unknown names.
bool work(const char* level, const char* kernel, int rounds);

}  // namespace ossnb::testing
