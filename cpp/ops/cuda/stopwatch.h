// How long each kernel takes, for measuring: off unless somebody asks. While it is on, a launch waits for its
// end, and no graphs are made.
#pragma once

#include <map>
#include <string>

namespace ossnb::cuda {

struct KernelTime {
  int n = 0;  // launches
  double ms = 0;
};

// Of all cards of this process.
void time_kernels(bool on);
bool are_timed();
void add_time(const char* kernel, double ms);
std::map<std::string, KernelTime> take_times();  // and begins anew

}  // namespace ossnb::cuda
