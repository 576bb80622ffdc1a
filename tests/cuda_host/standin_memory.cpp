#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <map>

#include "standin.h"

#ifdef HC_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace standin {
namespace {

struct Allocation {
  std::size_t n_bytes;
  int ordinal;
  char* map;  // null: from malloc
  std::size_t n_map_bytes;
};

std::map<std::uint64_t, Allocation>& allocations() {
  static auto* all = new std::map<std::uint64_t, Allocation>;
  return *all;
}

struct Pinned {
  std::size_t n_bytes;
  int ordinal;
  bool is_ours;
};
std::map<std::uint64_t, Pinned>& pinned() {
  static auto* all = new std::map<std::uint64_t, Pinned>;
  return *all;
}

template <class T>
bool is_within(const std::map<std::uint64_t, T>& all, std::uint64_t address, std::size_t n, const T** found) {
  auto after = all.upper_bound(address);
  if (after == all.begin()) return false;
  const auto& [begin, allocation] = *--after;
  if (address - begin > allocation.n_bytes || n > allocation.n_bytes - (address - begin)) return false;
  *found = &allocation;
  return true;
}

constexpr std::size_t kPage = 4096, kFilledWhole = std::size_t{256} << 20;

// NaNs, so that what a kernel reads before it was written shows. Of very large memory only the ends.
void fill(char* begin, std::size_t n) {
  if (n <= kFilledWhole) {
    std::memset(begin, 0xff, n);
  } else {
    std::memset(begin, 0xff, std::size_t{1} << 20);
    std::memset(begin + n - (std::size_t{1} << 20), 0xff, std::size_t{1} << 20);
  }
}

}  // namespace

std::uint64_t allocate(int ordinal, std::size_t n_bytes) {
  Allocation made = {n_bytes, ordinal, nullptr, 0};
  char* begin = nullptr;
#ifdef HC_ASAN  // its own zones around the memory are exact to the byte
  begin = static_cast<char*>(std::aligned_alloc(16, (n_bytes + 15) / 16 * 16));
  if (begin == nullptr) return 0;
  if (n_bytes % 16 != 0) __asan_poison_memory_region(begin + n_bytes, 16 - n_bytes % 16);
#else
  const std::size_t rounded = (n_bytes + 15) / 16 * 16, room = (rounded + kPage - 1) / kPage * kPage;
  made.n_map_bytes = room + kPage;
  void* map = mmap(nullptr, made.n_map_bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (map == MAP_FAILED) return 0;
  made.map = static_cast<char*>(map);
  mprotect(made.map + room, kPage, PROT_NONE);
  begin = made.map + room - rounded;
#endif
  fill(begin, n_bytes);
  const auto address = reinterpret_cast<std::uint64_t>(begin);
  allocations()[address] = made;
  return address;
}

bool release(std::uint64_t address) {
  const auto found = allocations().find(address);
  if (found == allocations().end()) return false;
  if (found->second.map != nullptr) {
    munmap(found->second.map, found->second.n_map_bytes);
  } else {
    std::free(reinterpret_cast<void*>(address));
  }
  allocations().erase(found);
  return true;
}

void release_all(int ordinal) {
  for (auto at = allocations().begin(); at != allocations().end();) {
    const auto [address, allocation] = *at++;
    if (allocation.ordinal == ordinal) release(address);
  }
  for (auto at = pinned().begin(); at != pinned().end();) {
    const auto [address, range] = *at++;
    if (range.ordinal != ordinal) continue;
    if (range.is_ours) std::free(reinterpret_cast<void*>(address));
    pinned().erase(address);
  }
}

std::size_t allocated_bytes(int ordinal) {
  std::size_t sum = 0;
  for (const auto& [address, allocation] : allocations()) {
    if (allocation.ordinal == ordinal) sum += allocation.n_bytes;
  }
  return sum;
}

std::size_t n_allocations() { return allocations().size(); }

bool is_on_card(int ordinal, std::uint64_t address, std::size_t n) {
  const Allocation* found = nullptr;
  return is_within(allocations(), address, n, &found) && found->ordinal == ordinal;
}

void* allocate_pinned(int ordinal, std::size_t n_bytes) {
  void* memory = std::aligned_alloc(kPage, (n_bytes + kPage - 1) / kPage * kPage);
  if (memory != nullptr) {
    std::memset(memory, 0xff, n_bytes);
    pinned()[reinterpret_cast<std::uint64_t>(memory)] = {n_bytes, ordinal, true};
  }
  return memory;
}

bool release_pinned(void* memory) {
  const auto found = pinned().find(reinterpret_cast<std::uint64_t>(memory));
  if (found == pinned().end() || !found->second.is_ours) return false;
  std::free(memory);
  pinned().erase(found);
  return true;
}

bool pin(int ordinal, void* memory, std::size_t n_bytes) {
  return pinned()
      .try_emplace(reinterpret_cast<std::uint64_t>(memory), Pinned{n_bytes, ordinal, false})
      .second;
}

bool unpin(void* memory) {
  const auto found = pinned().find(reinterpret_cast<std::uint64_t>(memory));
  if (found == pinned().end() || found->second.is_ours) return false;
  pinned().erase(found);
  return true;
}

bool is_pinned(const void* memory, std::size_t n) {
  const Pinned* found = nullptr;
  return is_within(pinned(), reinterpret_cast<std::uint64_t>(memory), n, &found);
}

std::size_t n_pinned() { return pinned().size(); }

bool is_foreign([[maybe_unused]] std::uint64_t word) {
#if defined(HC_ASAN) || defined(HC_TSAN)
  return false;  // their tables lie where numbers in a row look like addresses
#else
  if (word < 0x10000 || word >= std::uint64_t{1} << 47) return false;
  if ((word & 0xffffffff) < 0x100000) return false;  // a small number, and padding with what the stack had
  const Allocation* on_card = nullptr;
  if (is_within(allocations(), word, 0, &on_card)) return false;
  if (is_pinned(reinterpret_cast<const void*>(word), 0)) return false;
  unsigned char is_resident = 0;
  return mincore(reinterpret_cast<void*>(word / kPage * kPage), 1, &is_resident) == 0;
#endif
}

}  // namespace standin
