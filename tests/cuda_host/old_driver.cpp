// What is left of a driver of CUDA 11.4 for our purpose: its version, and that it lacks what came later.
#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT int cuInit(unsigned) { return 0; }
EXPORT int cuDriverGetVersion(int* version) {
  *version = 11040;
  return 0;
}
