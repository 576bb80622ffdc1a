#include "ops/cuda/arrays.h"

namespace ossnb::cuda {

DeviceMemory::DeviceMemory(std::shared_ptr<const Card> card, std::size_t n_bytes)
    : card_(std::move(card)), address_(n_bytes == 0 ? 0 : card_->allocate(n_bytes)), n_bytes_(n_bytes) {}

DeviceMemory::~DeviceMemory() {
  if (address_ != 0) card_->free(address_, n_bytes_);
}

void DeviceMemory::upload(std::size_t at, const void* from, std::size_t n) {
  check(at, n);
  if (n == 0) return;
  const Card::Current current(*card_);
  card_->check(card_->driver().cuMemcpyHtoDAsync(address_ + at, from, n, card_->stream()),
               "the copy to the card");
}

void DeviceMemory::download(std::size_t at, void* to, std::size_t n) const {
  check(at, n);
  if (n == 0) return;
  const Card::Current current(*card_);
  card_->check(card_->driver().cuMemcpyDtoHAsync(to, address_ + at, n, card_->stream()),
               "the copy from the card");
}

void DeviceMemory::copy(std::size_t at, const DeviceMemory& from, std::size_t from_at, std::size_t n) {
  check(at, n);
  from.check(from_at, n);
  if (n == 0) return;
  const Card::Current current(*card_);
  card_->check(card_->driver().cuMemcpyDtoDAsync(address_ + at, from.address_ + from_at, n, card_->stream()),
               "the copy within the card");
}

void DeviceMemory::fill(std::size_t at, unsigned char byte, std::size_t n) {
  check(at, n);
  if (n == 0) return;
  const Card::Current current(*card_);
  card_->check(card_->driver().cuMemsetD8Async(address_ + at, byte, n, card_->stream()),
               "the filling of memory");
}

void DeviceMemory::check(std::size_t at, std::size_t n) const {
  if (at > n_bytes_ || n > n_bytes_ - at) {
    throw std::out_of_range("bytes " + std::to_string(at) + " to " + std::to_string(at + n) +
                            " of a card's memory of " + std::to_string(n_bytes_) + " bytes");
  }
}

}  // namespace ossnb::cuda
