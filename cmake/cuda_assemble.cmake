# Assemble PTX, and keep what the assembler says about registers and spills.
#   cmake -DPTXAS=ptxas -DARCH=90 -DPTX=x.ptx -DBASE=x.90 -P cuda_assemble.cmake  → x.90.cubin, x.90.txt
execute_process(COMMAND ${PTXAS} -arch=sm_${ARCH} -O3 -v --warn-on-spills ${PTX} -o ${BASE}.cubin
                OUTPUT_VARIABLE said ERROR_VARIABLE said RESULT_VARIABLE status)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "${PTXAS} does not take ${PTX} for sm_${ARCH}:\n${said}")
endif()
file(WRITE ${BASE}.txt "${said}")
