#include "ops/cuda/card.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>

#include "base/error.h"
#include "ops/cuda/kernel.h"
#include "ops/cuda/modules.h"

namespace ossnb::cuda {
namespace {

constexpr auto kPollEvery = std::chrono::milliseconds(10);
constexpr auto kSpinFor = std::chrono::milliseconds(2);  // about a token: what comes soon is seen at once
constexpr auto kSleep = std::chrono::microseconds(50);

// Errors after which the context answers every call with an error.
bool is_final(Result result) {
  switch (result) {
    case kNotInitialized:
    case kDeinitialized:
    case kDeviceUnavailable:
    case kInvalidContext:
    case kEccUncorrectable:
    case kNvlinkUncorrectable:
    case kContained:
    case kIllegalAddress:
    case kLaunchTimeout:
    case kContextIsDestroyed:
    case kAssert:
    case kHardwareStackError:
    case kIllegalInstruction:
    case kMisalignedAddress:
    case kInvalidAddressSpace:
    case kInvalidPc:
    case kLaunchFailed:
    case kUnknown:
      return true;
    default:
      return false;
  }
}

// Machine code or PTX that this driver does not know. Which error it answers with depends on the driver, so
// each that does not end all work counts.
bool is_refused(Result result) { return result != kSuccess && result != kOutOfMemory && !is_final(result); }

std::string size_text(std::size_t n_bytes) {
  char text[40];
  if (n_bytes < 10'000'000) {
    std::snprintf(text, sizeof text, "%.1f kB", static_cast<double>(n_bytes) / 1e3);
  } else {
    std::snprintf(text, sizeof text, "%.2f GB", static_cast<double>(n_bytes) / 1e9);
  }
  return text;
}

// What is known of a card without opening it.
CardInfo look_at(const Driver& driver, int ordinal, DeviceId& id) {
  CardInfo info;
  info.ordinal = ordinal;
  if (const Result result = driver.cuDeviceGet(&id, ordinal); result != kSuccess) {
    info.name = "unknown";
    info.why_not = "the driver does not give it (" + words_of(driver, result) + ")";
    return info;
  }
  char name[256] = "unknown";
  driver.cuDeviceGetName(name, sizeof name - 1, id);
  info.name = name;
  const auto attribute = [&](int which) {
    int value = 0;
    driver.cuDeviceGetAttribute(&value, which, id);
    return value;
  };
  info.major = attribute(kCapabilityMajor);
  info.minor = attribute(kCapabilityMinor);
  info.n_multiprocessors = attribute(kMultiprocessorCount);
  info.is_integrated = attribute(kIntegrated) != 0;
  info.shared_limit = static_cast<std::size_t>(attribute(kMaxSharedPerBlockOptin));
  info.l2_bytes = static_cast<std::size_t>(attribute(kL2CacheSize));
  driver.cuDeviceTotalMem(&info.memory_total, id);
  if (attribute(kComputeMode) == kComputeModeProhibited) {
    info.why_not = "its compute mode forbids programs (nvidia-smi -c 0 allows them)";
  } else {
    info.why_not = code_for(info.major, info.minor).why_none;
  }
  return info;
}

std::string why_not_opened(const Driver& driver, const CardInfo& info, Result result) {
  const std::string words = words_of(driver, result);
  if (result == kOutOfMemory) {
    return info.title() + " has no memory left to be opened (" + words +
           "); close other programs that use it";
  }
  if (result == kDeviceUnavailable) {
    return info.title() + " is held by another program (" + words +
           "); close it (nvidia-smi names it), or allow several by `nvidia-smi -c 0`";
  }
  if (is_final(result)) {
    return info.title() + " cannot be opened (" + words +
           "); if a model on it has failed in this process, close that model; else look at nvidia-smi";
  }
  return info.title() + " cannot be opened (" + words + "); look at nvidia-smi for programs that hold it";
}

}  // namespace

CardList list_cards(const std::vector<int>& free_of) {
  CardList list;
  try {
    const Driver& found = driver();
    int n = 0;
    if (const Result result = found.cuDeviceGetCount(&n); result != kSuccess) {
      list.why_none = "the NVIDIA driver does not count its cards (" + words_of(found, result) + ")";
      return list;
    }
    if (n == 0) list.why_none = "the NVIDIA driver sees no card; check nvidia-smi and CUDA_VISIBLE_DEVICES";
    for (int i = 0; i < n; ++i) {
      DeviceId id = 0;
      CardInfo info = look_at(found, i, id);
      if (std::ranges::find(free_of, i) != free_of.end() && info.why_not.empty()) {
        try {
          info.memory_free = Card::open(i)->memory_free();
        } catch (const std::exception& error) {
          info.why_not = error.what();
        }
      }
      list.cards.push_back(std::move(info));
    }
  } catch (const std::exception& error) {
    list.why_none = error.what();
  }
  return list;
}

// ---- opening and closing ----------------------------------------------------------------------------------

std::shared_ptr<Card> Card::open(int ordinal) {
  std::shared_ptr<Card> card(new Card(ordinal));
  card->begin();
  return card;
}

Card::Card(int ordinal) : driver_(cuda::driver()), opened_at_(fork_count()) {
  int n = 0;
  driver_.cuDeviceGetCount(&n);
  if (ordinal < 0 || ordinal >= n) {
    throw DeviceUnavailable("there is no card cuda:" + std::to_string(ordinal) + "; the driver sees " +
                            std::to_string(n) + (n == 1 ? " card, cuda:0" : " cards, counted from cuda:0"));
  }
  info_ = look_at(driver_, ordinal, id_);
  if (!info_.why_not.empty()) throw DeviceUnavailable(info_.title() + " cannot be used: " + info_.why_not);
}

void Card::begin() {
  if (const Result result = driver_.cuDevicePrimaryCtxRetain(&context_, id_); result != kSuccess) {
    context_ = nullptr;
    throw DeviceUnavailable(why_not_opened(driver_, info_, result));
  }
  const Current current(*this);
  if (const Result result = driver_.cuStreamCreate(&stream_, kStreamNonBlocking); result != kSuccess) {
    stream_ = nullptr;
    throw DeviceUnavailable(why_not_opened(driver_, info_, result));
  }
  load_kernels();
}

void Card::load_kernels() {
  const Code code = code_for(info_.major, info_.minor);
  for (const Code::Ways& ways : code.files) {
    ModuleHandle module = nullptr;
    Result result = kNoBinaryForGpu;
    for (std::size_t i = 0; i < ways.size() && is_refused(result); ++i) {
      result = driver_.cuModuleLoadData(&module, ways[i]);
    }
    if (is_refused(result)) {
      throw DeviceUnavailable(info_.title() + " does not take the kernels (" + words_of(driver_, result) +
                              "); the driver supports CUDA " + version_text(driver_.version) +
                              ": update it, or use device=\"cpu\"");
    }
    check(result, "the loading of the kernels");
    modules_.push_back(module);
  }
}

Card::~Card() {
  if (context_ == nullptr || fork_count() != opened_at_) return;
  if (enter()) {
    for (const ModuleHandle module : modules_) driver_.cuModuleUnload(module);
    if (stream_ != nullptr) driver_.cuStreamDestroy(stream_);
    leave();
  }
  driver_.cuDevicePrimaryCtxRelease(
      id_);  // a broken context, too: the card can be opened anew after the last
}

FunctionHandle Card::function(const char* name) const {
  const Current current(*this);
  for (const ModuleHandle module : modules_) {
    FunctionHandle found = nullptr;
    const Result result = driver_.cuModuleGetFunction(&found, module, name);
    if (result == kSuccess) return found;
    if (result != kNotFound) check(result, "the search for the kernel", name);
  }
  throw DeviceFailure(std::string("there is no kernel ") + name +
                      ": the kernels are of another build than the program");
}

// ---- in every call ----------------------------------------------------------------------------------------

Card::Current::Current(const Card& card) : driver_(card.driver_) {
  if (!card.is_usable()) card.refuse();
  card.check(driver_.cuCtxPushCurrent(card.context_), "the choice of the card");
}

Card::Current::~Current() {
  ContextHandle before = nullptr;
  driver_.cuCtxPopCurrent(&before);
}

bool Card::is_usable() const noexcept {
  return context_ != nullptr && !is_lost_.load(std::memory_order_acquire) && fork_count() == opened_at_;
}

bool Card::enter() const noexcept { return is_usable() && driver_.cuCtxPushCurrent(context_) == kSuccess; }

void Card::leave() const noexcept {
  ContextHandle before = nullptr;
  driver_.cuCtxPopCurrent(&before);
}

void Card::refuse() const {
  if (fork_count() != opened_at_) {
    throw DeviceLost(
        "the model on " + info_.title() +
        " belongs to the process that this one was forked from; load the model in the process that "
        "uses it, started with multiprocessing.get_context(\"spawn\")");
  }
  const std::lock_guard lock(mutex_);
  throw DeviceLost(lost_by_);
}

void Card::fail(Result result, const char* what, const char* name) const {
  const std::string doing = std::string(what) + (*name == '\0' ? "" : " ") + name;
  if (result == kOutOfMemory) {
    std::size_t n_free = 0, n_total = info_.memory_total;
    driver_.cuMemGetInfo(&n_free, &n_total);
    throw DeviceMemoryError(info_.title() + " has no memory for " + doing + ": " + size_text(n_free) +
                                " of " + size_text(n_total) +
                                " are free; close other models or programs that use the card",
                            0, n_free, n_total);
  }
  const std::string words = info_.title() + " failed at " + doing + " (" + words_of(driver_, result) + ")";
  if (!is_final(result)) throw DeviceFailure(words);
  const std::lock_guard lock(mutex_);
  if (!is_lost_) {
    lost_by_ = words +
               "; nothing can be computed with what is loaded on it: close the models on this card, and "
               "load the model again";
    is_lost_.store(true, std::memory_order_release);
  }
  throw DeviceLost(lost_by_);
}

// ---- memory -----------------------------------------------------------------------------------------------

std::size_t Card::memory_free() const {
  const Current current(*this);
  std::size_t n_free = 0, n_total = 0;
  check(driver_.cuMemGetInfo(&n_free, &n_total), "asking for free memory");
  return n_free;
}

DevicePtr Card::allocate(std::size_t n_bytes) const {
  if (limit_ != 0 && (n_bytes > limit_ || used_ > limit_ - n_bytes)) {
    const std::size_t left = limit_ - std::min<std::size_t>(limit_, used_);
    throw DeviceMemoryError("device_memory allows " + size_text(limit_) + " on " + info_.title() +
                                ", of which " + size_text(left) + " are left; " + size_text(n_bytes) +
                                " more were needed: allow more, or keep fewer tokens",
                            n_bytes, left, limit_);
  }
  const Current current(*this);
  DevicePtr memory = 0;
  const Result result = driver_.cuMemAlloc(&memory, n_bytes);
  if (result == kOutOfMemory) {
    std::size_t n_free = 0, n_total = info_.memory_total;
    driver_.cuMemGetInfo(&n_free, &n_total);
    throw DeviceMemoryError(info_.title() + " has no room for " + size_text(n_bytes) + ": " +
                                size_text(n_free) + " of " + size_text(n_total) +
                                " are free; close other models or programs that use the card",
                            n_bytes, n_free, n_total);
  }
  check(result, "the allocation of memory");
  used_ += n_bytes;
  return memory;
}

void Card::free(DevicePtr memory, std::size_t n_bytes) const noexcept {
  used_ -= n_bytes;
  dispose(driver_.cuMemFree, memory);
}

void* Card::allocate_pinned(std::size_t n_bytes) const {
  const Current current(*this);
  void* memory = nullptr;
  const Result result = driver_.cuMemAllocHost(&memory, n_bytes);
  if (result == kOutOfMemory) {
    throw DeviceMemoryError("the system has no memory that stays in place for " + info_.title() + ": " +
                                size_text(n_bytes) +
                                " were asked for; close other programs, or raise `ulimit -l`",
                            n_bytes, 0, 0);
  }
  check(result, "the allocation of the host's memory");
  return memory;
}

void Card::free_pinned(void* memory) const noexcept { dispose(driver_.cuMemFreeHost, memory); }

// ---- waiting ----------------------------------------------------------------------------------------------

void Card::wait(const Poll& poll) const {
  Event end(shared_from_this());
  end.record();
  wait(end, poll);
}

void Card::wait(const Event& event, const Poll& poll) const {
  const auto begin = std::chrono::steady_clock::now();
  auto next_poll = begin + kPollEvery;
  while (!event.is_done()) {
    const auto now = std::chrono::steady_clock::now();
    if (poll && now >= next_poll) {
      if (poll()) throw Cancelled();
      next_poll = now + kPollEvery;
    }
    if (now - begin < kSpinFor) {
      std::this_thread::yield();
    } else {
      std::this_thread::sleep_for(kSleep);
    }
  }
}

}  // namespace ossnb::cuda
