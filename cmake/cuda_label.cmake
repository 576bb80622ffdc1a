# Label PTX so that the assembler takes it: nvcc 13 writes version 9.0, ptxas 12.9 reads up to 8.8. The kernels use
# nothing that is newer.
#   cmake -DFILE=x.ptx -DASSEMBLER=12.9 -P cuda_label.cmake
if(ASSEMBLER VERSION_EQUAL 12.9)
  file(READ ${FILE} text)
  string(REGEX REPLACE "\n[.]version 9[.][0-9]+\n" "\n.version 8.8\n" text "${text}")
  file(WRITE ${FILE} "${text}")
endif()
