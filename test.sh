#!/usr/bin/env bash
# All tests and checks: ./test.sh [--all]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source cmake/build.sh

usage() {
  cat <<'TEXT'
usage: ./test.sh [--all]

install what is missing, build everything and run all tests and structure checks; ends with ctest's own summary

  --all  between build and tests: the build for CUDA where its toolkit is, then the runtime and the scheduler under
         ThreadSanitizer, then everything under AddressSanitizer and UndefinedBehaviorSanitizer
TEXT
}

# Tests start processes that compute: more than two at a time disturb each other's deadlines on a small machine.
readonly kTestsAtOnce=2

run_tests() {  # run_tests PRESET [ctest options]
  ctest --preset "$1" --parallel "$kTestsAtOnce" "${@:2}"
}

# With another build the structure checks would say what they say with the release build.
readonly kWithoutChecks=(--exclude-regex '^checks\.')

say() { printf '\n%s\n' "test: $* (after ${SECONDS} s)" >&2; }

has_cuda_toolkit() { command -v nvcc >/dev/null || [[ -x /usr/local/cuda/bin/nvcc ]]; }

check_cuda() {
  if ! has_cuda_toolkit; then
    say "the cuda preset is left out: no nvcc here"
    return
  fi
  say "cuda: build and link"
  ./setup --cuda
  build_preset cuda troupe gpu_tests gpu_stage_throughput
}

check_with_sanitizers() {
  say "tsan: runtime and scheduler"
  build_preset tsan
  TSAN_OPTIONS="halt_on_error=1 second_deadlock_stack=1 suppressions=$PWD/tests/support/tsan.supp ${TSAN_OPTIONS:-}" \
    run_tests tsan "${kWithoutChecks[@]}"
  say "dev: everything with AddressSanitizer and UndefinedBehaviorSanitizer"
  build_preset dev
  run_tests dev "${kWithoutChecks[@]}"
}

mode=release
case "${1:-}" in
  "") ;;
  --all) mode=all ;;
  --help | -h) usage && exit 0 ;;
  *)
    usage >&2
    printf '\n%s\n' "test: unknown option $1" >&2
    exit 2
    ;;
esac

./setup
say "release: everything"
build_preset release
if [[ $mode == all ]]; then
  check_cuda  # what it has in common with release comes out of the compiler cache
  check_with_sanitizers
fi
say "release: tests"
run_tests release
