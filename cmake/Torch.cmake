# LibTorch as own imported targets. The wheel's TorchConfig.cmake insists on a CUDA toolkit even for CPU programs;
# these targets need only the wheel: troupe::torch (CPU) and troupe::torch_cuda (adds CUDA and NCCL).
set(TORCH_ROOT "" CACHE PATH "Folder of the torch package (holds lib/ and include/); found in .venv when empty")
if(NOT TORCH_ROOT)
  file(GLOB torch_candidates "${PROJECT_SOURCE_DIR}/.venv/lib/python3*/site-packages/torch")
  list(LENGTH torch_candidates torch_candidate_count)
  if(torch_candidate_count EQUAL 0)
    message(FATAL_ERROR "LibTorch not found under ${PROJECT_SOURCE_DIR}/.venv: run ./setup, or pass -DTORCH_ROOT=DIR")
  endif()
  list(GET torch_candidates 0 torch_root)
else()
  set(torch_root "${TORCH_ROOT}")
endif()
if(NOT EXISTS "${torch_root}/lib/libtorch_cpu.so")
  message(FATAL_ERROR "No lib/libtorch_cpu.so under ${torch_root}: run ./setup, or pass another -DTORCH_ROOT=DIR")
endif()

add_library(troupe_torch INTERFACE)
add_library(troupe::torch ALIAS troupe_torch)
target_include_directories(troupe_torch SYSTEM INTERFACE
  "${torch_root}/include" "${torch_root}/include/torch/csrc/api/include")
# Not --as-needed: kernels register themselves when the library is loaded, nothing refers to them by name. One item with
# its libraries inside: of flags that come twice on a link line CMake keeps one.
target_link_options(troupe_torch INTERFACE "LINKER:-rpath,${torch_root}/lib")
target_link_libraries(troupe_torch INTERFACE
  "-Wl,--push-state,--no-as-needed,${torch_root}/lib/libtorch_cpu.so,${torch_root}/lib/libc10.so,--pop-state"
  Threads::Threads)

if(ENABLE_CUDA)
  find_package(CUDAToolkit REQUIRED)
  find_path(NCCL_INCLUDE_DIR nccl.h HINTS ${CUDAToolkit_INCLUDE_DIRS} REQUIRED)
  find_library(NCCL_LIBRARY NAMES nccl libnccl.so.2
    HINTS ${CUDAToolkit_LIBRARY_DIR} "${torch_root}/../nvidia/nccl/lib" REQUIRED)
  add_library(troupe_torch_cuda INTERFACE)
  add_library(troupe::torch_cuda ALIAS troupe_torch_cuda)
  target_include_directories(troupe_torch_cuda SYSTEM INTERFACE ${CUDAToolkit_INCLUDE_DIRS} ${NCCL_INCLUDE_DIR})
  # torch's own .so files look for the CUDA libraries under nvidia/, then where the program says: in the toolkit. Only the
  # old kind of run path holds for libraries of libraries. libcuda.so.1 is nobody's need: it is opened when there is a GPU.
  target_link_options(troupe_torch_cuda INTERFACE "LINKER:--disable-new-dtags"
    "LINKER:-rpath,${CUDAToolkit_LIBRARY_DIR}" "LINKER:-rpath-link,${CUDAToolkit_LIBRARY_DIR}"
    "LINKER:--allow-shlib-undefined")
  target_link_libraries(troupe_torch_cuda INTERFACE troupe::torch
    "-Wl,--push-state,--no-as-needed,${torch_root}/lib/libtorch_cuda.so,${torch_root}/lib/libc10_cuda.so,--pop-state"
    CUDA::cudart ${NCCL_LIBRARY})
endif()
