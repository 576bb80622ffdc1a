// Rows of one width in one buffer that grows and never shrinks.
#pragma once

#include <cstddef>

#include "base/buffer.h"

namespace ossnb {

template <class T>
class Rows {
 public:
  // Makes room for n rows. The stored rows are lost when the buffer has to grow.
  void shape(int n, std::size_t width) {
    n_ = n;
    width_ = width;
    data_.reserve(n * width);
  }
  void cut(int n) { n_ = n; }  // keeps the first n

  int n() const { return n_; }
  std::size_t width() const { return width_; }
  std::size_t size() const { return n_ * width_; }
  T* data() { return data_.data(); }
  const T* data() const { return data_.data(); }
  T* row(std::size_t i) { return data_.data() + i * width_; }
  const T* row(std::size_t i) const { return data_.data() + i * width_; }

 private:
  Buffer<T> data_;
  int n_ = 0;
  std::size_t width_ = 0;
};

}  // namespace ossnb
