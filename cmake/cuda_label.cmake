# Label PTX with the oldest version that has all that nvcc writes of the kernels: 8.3, for the pragma used_bytes_mask. So the
# drivers of all cards that are newer than our machine code can compile it. The assembler reads it, too, where nvcc is the
# newer of the two: nvcc 13 writes 9.0, and ptxas 12.9 reads up to 8.8.
#   cmake -DFILE=x.ptx -P cuda_label.cmake
file(READ ${FILE} text)
string(REGEX REPLACE "\n[.]version [0-9]+[.][0-9]+\n" "\n.version 8.3\n" text "${text}")
file(WRITE ${FILE} "${text}")
