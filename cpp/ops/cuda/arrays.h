// Memory of a card, and memory of the host that a card copies from and to without waiting.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "ops/cuda/card.h"

namespace ossnb::cuda {

// Memory of the card, which it keeps open. Whoever holds none of it is empty.
class DeviceMemory {
 public:
  DeviceMemory() = default;
  DeviceMemory(std::shared_ptr<const Card> card, std::size_t n_bytes);
  ~DeviceMemory();
  DeviceMemory(DeviceMemory&& other) noexcept { swap(other); }
  DeviceMemory& operator=(DeviceMemory&& other) noexcept {
    DeviceMemory taken(std::move(other));
    swap(taken);
    return *this;
  }

  DevicePtr address() const { return address_; }
  std::size_t n_bytes() const { return n_bytes_; }

  // On the card's stream. What the bytes come from or go to must stay as it is until the card has got there,
  // if it is pinned; otherwise these calls wait as long as it takes.
  void upload(std::size_t at, const void* from, std::size_t n);
  void download(std::size_t at, void* to, std::size_t n) const;
  void copy(std::size_t at, const DeviceMemory& from, std::size_t from_at, std::size_t n);
  void fill(std::size_t at, unsigned char byte, std::size_t n);

 private:
  void swap(DeviceMemory& other) noexcept {
    std::swap(card_, other.card_);
    std::swap(address_, other.address_);
    std::swap(n_bytes_, other.n_bytes_);
  }
  void check(std::size_t at, std::size_t n) const;

  std::shared_ptr<const Card> card_;
  DevicePtr address_ = 0;
  std::size_t n_bytes_ = 0;
};

// `size` elements on the card, not initialised.
template <class T>
class DeviceArray {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  DeviceArray() = default;
  DeviceArray(std::shared_ptr<const Card> card, std::size_t size)
      : memory_(std::move(card), size * sizeof(T)), size_(size) {}
  // With the elements of `from`.
  DeviceArray(std::shared_ptr<const Card> card, std::span<const T> from)
      : DeviceArray(std::move(card), from.size()) {
    upload(from);
  }

  std::size_t size() const { return size_; }
  std::size_t n_bytes() const { return memory_.n_bytes(); }

  // The card's address: for the arguments of kernels, not for this program.
  T* data() { return reinterpret_cast<T*>(memory_.address()); }
  const T* data() const { return reinterpret_cast<const T*>(memory_.address()); }

  // As DeviceMemory has them; `at` and sizes are in elements.
  void upload(std::span<const T> from, std::size_t at = 0) {
    memory_.upload(at * sizeof(T), from.data(), from.size_bytes());
  }
  void download(std::span<T> to, std::size_t at = 0) const {
    memory_.download(at * sizeof(T), to.data(), to.size_bytes());
  }
  void copy(const DeviceArray& from, std::size_t n, std::size_t at = 0, std::size_t from_at = 0) {
    memory_.copy(at * sizeof(T), from.memory_, from_at * sizeof(T), n * sizeof(T));
  }
  void fill_bytes(unsigned char byte) { memory_.fill(0, byte, memory_.n_bytes()); }

 private:
  DeviceMemory memory_;
  std::size_t size_ = 0;
};

// Memory of the host that does not move: copies from and to it go on while the program does something else.
template <class T>
class PinnedArray {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  PinnedArray() = default;
  PinnedArray(std::shared_ptr<const Card> card, std::size_t size)
      : card_(std::move(card)),
        data_(size == 0 ? nullptr : static_cast<T*>(card_->allocate_pinned(size * sizeof(T)))),
        size_(size) {}
  ~PinnedArray() {
    if (data_ != nullptr) card_->free_pinned(data_);
  }
  PinnedArray(PinnedArray&& other) noexcept { swap(other); }
  PinnedArray& operator=(PinnedArray&& other) noexcept {
    PinnedArray taken(std::move(other));
    swap(taken);
    return *this;
  }

  T* data() { return data_; }
  const T* data() const { return data_; }
  std::size_t size() const { return size_; }
  T& operator[](std::size_t i) { return data_[i]; }
  const T& operator[](std::size_t i) const { return data_[i]; }
  T* begin() { return data_; }
  T* end() { return data_ + size_; }
  const T* begin() const { return data_; }
  const T* end() const { return data_ + size_; }

 private:
  void swap(PinnedArray& other) noexcept {
    std::swap(card_, other.card_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }

  std::shared_ptr<const Card> card_;
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace ossnb::cuda
