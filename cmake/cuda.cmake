# The GPU's kernels as machine code: each cpp/ops/cuda/*.cu for each architecture, and PTX for the cards that come later.
# cpp/ops/cuda/images.cpp embeds them. Nothing here is linked with a CUDA library.
#
#   .cu ── nvcc ──> .ptx ── ptxas ──> .cubin, and .txt, which tools/cuda/gate.py reads
#
# nvcc comes from -DOSSNB_NVCC, from build/cuda-venv, which `make cuda` fills from PyPI, or from the PATH. ptxas 12.9
# comes from the same environment. Its code should load on all drivers of CUDA 12 (525 and newer); that of nvcc's own
# ptxas 13 needs driver 580.
set(OSSNB_CUDA AUTO CACHE STRING "the GPU's kernels in the extension: AUTO (where nvcc is found), ON or OFF")
set(OSSNB_CUDA_ARCHS "75;80;89;90;100f;120f" CACHE STRING "the architectures that get machine code")
set(OSSNB_CUDA_PTX "75;80;90")  # PTX for these: the others take the nearest below, which saves half of the compiler's time
# No fused multiply-add that the source does not say (docs/NUMERICS.md). Relaxed: std::bit_cast and the constexpr functions
# that the CPU uses, too, may be called.
set(cuda_flags -O3 -std=c++20 -fmad=false --expt-relaxed-constexpr)
# The extension takes the images of this build, which is that of `make cuda`, so that they are compiled once for both.
set(OSSNB_CUDA_BUILD ${CMAKE_SOURCE_DIR}/build/cuda CACHE PATH "the build that has the GPU's kernels for the extension")
if(OSSNB_BUILD_PYTHON)
  set(cuda_out ${OSSNB_CUDA_BUILD}/cuda)
else()
  set(cuda_out ${CMAKE_BINARY_DIR}/cuda)
endif()

# AUTO or ON says why there are no kernels.
function(cuda_lacks reason)
  if(OSSNB_CUDA STREQUAL "ON")
    message(FATAL_ERROR "OSSNB_CUDA=ON, but ${reason}. `make cuda` installs what is needed into build/cuda-venv; "
                        "-DOSSNB_NVCC=/path/to/nvcc names a compiler; -DOSSNB_CUDA=OFF builds without a GPU.")
  endif()
  message(STATUS "GPU kernels: none, since ${reason}")
endfunction()

function(cuda_version program result)
  execute_process(COMMAND ${program} --version OUTPUT_VARIABLE said ERROR_QUIET)
  string(REGEX MATCH "release ([0-9]+[.][0-9]+)" found "${said}")
  set(${result} "${CMAKE_MATCH_1}" PARENT_SCOPE)
endfunction()

# A program as the user names it (checked), from the environment of `make cuda`, or from the PATH.
function(cuda_find variable name below)
  if(${variable} AND NOT EXISTS "${${variable}}")
    unset(${variable} CACHE)
  endif()
  file(GLOB venv ${CMAKE_SOURCE_DIR}/build/cuda-venv/lib/python*/site-packages/nvidia/${below}/bin)
  find_program(${variable} ${name} HINTS ${venv} ${ARGN})
endfunction()

function(cuda_tools reason)
  if(NOT cuda_sources)
    set(${reason} "cpp/ops/cuda has no .cu file" PARENT_SCOPE)
    return()
  endif()
  cuda_find(OSSNB_NVCC nvcc cu13)
  if(NOT OSSNB_NVCC)
    set(${reason} "nvcc was not found" PARENT_SCOPE)
    return()
  endif()
  cuda_version(${OSSNB_NVCC} version)
  if(NOT version VERSION_GREATER_EQUAL 12.9 OR NOT version VERSION_LESS 14)
    set(${reason} "${OSSNB_NVCC} has version '${version}', expected 12.9 to 13" PARENT_SCOPE)
    return()
  endif()
  get_filename_component(beside ${OSSNB_NVCC} DIRECTORY)
  cuda_find(OSSNB_PTXAS ptxas cuda_nvcc ${beside})
  cuda_version(${OSSNB_PTXAS} assembler)
  if(NOT assembler VERSION_GREATER_EQUAL 12.9)
    set(${reason} "ptxas (${OSSNB_PTXAS}) has version '${assembler}', expected 12.9 or newer" PARENT_SCOPE)
    return()
  endif()
  set(cuda_tool_versions "nvcc ${version}, ptxas ${assembler}" PARENT_SCOPE)
  set(cuda_ptxas_version ${assembler} PARENT_SCOPE)
endfunction()

# The PTX that an architecture's machine code is made from.
function(cuda_ptx_of arch result)
  string(REGEX MATCH "^[0-9]+" number ${arch})
  foreach(ptx ${OSSNB_CUDA_PTX})
    if(ptx LESS_EQUAL number)
      set(best ${ptx})
    endif()
  endforeach()
  set(${result} ${best} PARENT_SCOPE)
endfunction()

function(cuda_compile source ptx)
  get_filename_component(name ${source} NAME_WE)
  set(base ${cuda_out}/${name}.${ptx})
  add_custom_command(
    OUTPUT ${base}.ptx
    COMMAND ${OSSNB_NVCC} -ptx ${cuda_flags} -gencode=arch=compute_${ptx},code=compute_${ptx}
            -ccbin ${CMAKE_CXX_COMPILER} -allow-unsupported-compiler -I${CMAKE_SOURCE_DIR}/cpp
            -MD -MF ${base}.d -o ${base}.ptx ${source}
    COMMAND ${CMAKE_COMMAND} -DFILE=${base}.ptx -P ${CMAKE_SOURCE_DIR}/cmake/cuda_label.cmake
    DEPENDS ${source} ${CMAKE_SOURCE_DIR}/cmake/cuda_label.cmake
    DEPFILE ${base}.d
    COMMENT "Compiling ${name}.cu for compute_${ptx}"
    VERBATIM)
endfunction()

function(cuda_assemble source ptx arch)
  get_filename_component(name ${source} NAME_WE)
  set(base ${cuda_out}/${name}.${arch})
  add_custom_command(
    OUTPUT ${base}.cubin ${base}.txt
    COMMAND ${CMAKE_COMMAND} -DPTXAS=${OSSNB_PTXAS} -DARCH=${arch} -DPTX=${cuda_out}/${name}.${ptx}.ptx
            -DBASE=${base} -P ${CMAKE_SOURCE_DIR}/cmake/cuda_assemble.cmake
    DEPENDS ${cuda_out}/${name}.${ptx}.ptx ${CMAKE_SOURCE_DIR}/cmake/cuda_assemble.cmake
    COMMENT "Assembling ${name}.cu for sm_${arch}"
    VERBATIM)
endfunction()

# The PTX that all architectures together need.
function(cuda_levels result)
  set(levels "")
  foreach(arch ${OSSNB_CUDA_ARCHS})
    cuda_ptx_of(${arch} ptx)
    list(APPEND levels ${ptx})
  endforeach()
  list(REMOVE_DUPLICATES levels)
  set(${result} ${levels} PARENT_SCOPE)
endfunction()

# A source's machine code for all architectures, and the PTX that it is made from.
function(cuda_build source)
  cuda_levels(levels)
  foreach(ptx ${levels})
    cuda_compile(${source} ${ptx})
  endforeach()
  foreach(arch ${OSSNB_CUDA_ARCHS})
    cuda_ptx_of(${arch} ptx)
    cuda_assemble(${source} ${ptx} ${arch})
  endforeach()
endfunction()

# The list of all images: IMAGE(id, file, architecture, is PTX, path).
function(cuda_list list_of images_of)
  set(list "")
  set(images "")
  cuda_levels(levels)
  foreach(source ${cuda_sources})
    get_filename_component(name ${source} NAME_WE)
    foreach(arch ${OSSNB_CUDA_ARCHS})
      string(REGEX MATCH "^[0-9]+" number ${arch})
      string(APPEND list "IMAGE(${name}_${arch}, \"${name}\", ${number}, false, \"${cuda_out}/${name}.${arch}.cubin\")\n")
      list(APPEND images ${cuda_out}/${name}.${arch}.cubin)
    endforeach()
    foreach(ptx ${levels})
      string(APPEND list "IMAGE(${name}_ptx${ptx}, \"${name}\", ${ptx}, true, \"${cuda_out}/${name}.${ptx}.ptx\")\n")
      list(APPEND images ${cuda_out}/${name}.${ptx}.ptx)
    endforeach()
  endforeach()
  set(${list_of} "${list}" PARENT_SCOPE)
  set(${images_of} "${images}" PARENT_SCOPE)
endfunction()

# Another CMake and its build make the images: the program that has made them before, or they would be made again.
function(cuda_in_its_build images)
  set(with ${CMAKE_COMMAND} -DCMAKE_MAKE_PROGRAM=${CMAKE_MAKE_PROGRAM})
  if(EXISTS ${OSSNB_CUDA_BUILD}/CMakeCache.txt)
    load_cache(${OSSNB_CUDA_BUILD} READ_WITH_PREFIX its_ CMAKE_COMMAND CMAKE_MAKE_PROGRAM)
    if(EXISTS "${its_CMAKE_COMMAND}" AND EXISTS "${its_CMAKE_MAKE_PROGRAM}")
      set(with ${its_CMAKE_COMMAND})
    endif()
  endif()
  string(REPLACE ";" "\\;" archs "${OSSNB_CUDA_ARCHS}")
  execute_process(
    COMMAND ${with} -G Ninja -S ${CMAKE_SOURCE_DIR} -B ${OSSNB_CUDA_BUILD} --log-level=WARNING
            -DOSSNB_BUILD_PYTHON=OFF -DOSSNB_CUDA=ON
            -DOSSNB_CUDA_ARCHS=${archs} -DOSSNB_NVCC=${OSSNB_NVCC} -DOSSNB_PTXAS=${OSSNB_PTXAS}
    OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
  add_custom_target(
    cuda_images
    COMMAND ${CMAKE_COMMAND} --build ${OSSNB_CUDA_BUILD} --target cuda_images --parallel 2
    BYPRODUCTS ${images}
    COMMENT "Making the GPU's kernels in ${OSSNB_CUDA_BUILD}"
    USES_TERMINAL VERBATIM)
endfunction()

function(cuda_rules)
  cuda_list(list images)
  if(OSSNB_BUILD_PYTHON)
    cuda_in_its_build("${images}")
  else()
    foreach(source ${cuda_sources})
      cuda_build(${source})
    endforeach()
    file(CONFIGURE OUTPUT ${cuda_out}/images.inc CONTENT "${list}" @ONLY)
    file(CONFIGURE OUTPUT ${cuda_out}/tools.txt CONTENT "${cuda_tool_versions}\n" @ONLY)
    add_custom_target(cuda_images DEPENDS ${images})
  endif()
  set_source_files_properties(
    cpp/ops/cuda/images.cpp PROPERTIES COMPILE_DEFINITIONS "OSSNB_CUDA_IMAGES=\"${cuda_out}/images.inc\""
                                       OBJECT_DEPENDS "${images};${cuda_out}/images.inc")

  # The kernels of the tests, which a card runs to show that its instructions are those of their twins.
  set(smoke ${CMAKE_SOURCE_DIR}/tests/cuda_host/smoke.cu)
  if(EXISTS ${smoke} AND NOT OSSNB_BUILD_PYTHON)
    cuda_build(${smoke})
    list(TRANSFORM OSSNB_CUDA_ARCHS REPLACE "(.+)" "${cuda_out}/smoke.\\1.cubin" OUTPUT_VARIABLE smoke_images)
    add_custom_target(cuda_smoke DEPENDS ${smoke_images})
  endif()
endfunction()

# AUTO is for the extension that users get: the builds for tests and sanitizers, and those for other processors, have no
# use for kernels.
if(OSSNB_CUDA STREQUAL "AUTO" AND (NOT OSSNB_BUILD_PYTHON OR OSSNB_SANITIZE OR CMAKE_CROSSCOMPILING))
  message(STATUS "GPU kernels: none in this build")
elseif(OSSNB_CUDA STREQUAL "AUTO" AND NOT CMAKE_SYSTEM_NAME STREQUAL "Linux")
  cuda_lacks("they are embedded on Linux only")
elseif(OSSNB_CUDA)
  set(cuda_reason "")
  file(GLOB cuda_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/cpp/ops/cuda/*.cu)
  cuda_tools(cuda_reason)
  if(cuda_reason)
    cuda_lacks("${cuda_reason}")
  else()
    cuda_rules()
    message(STATUS "GPU kernels: ${OSSNB_CUDA_ARCHS} (${cuda_tool_versions})")
    if(cuda_ptxas_version VERSION_GREATER 12.9)
      message(STATUS "GPU kernels: this ptxas makes code for driver 580 and newer; `make cuda` installs 12.9, for 525")
    endif()
  endif()
endif()
