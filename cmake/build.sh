# For run.sh and test.sh: source it from the root of the project.

# Presets that compile a file alike share one compiled copy, wherever the clone lies.
export CCACHE_BASEDIR=${CCACHE_BASEDIR:-$PWD} CCACHE_NOHASHDIR=1

# build_preset PRESET [TARGET...]: configures once, and when a preset changes (the build itself sees to the rest).
build_preset() {
  local preset=$1 targets=()
  shift
  if [[ $# -gt 0 ]]; then
    targets=(--target "$@")
  fi
  if [[ ! -f build/$preset/build.ninja || CMakePresets.json -nt build/$preset/CMakeCache.txt ]]; then
    cmake --preset "$preset" >&2
  fi
  cmake --build --preset "$preset" --parallel "$(nproc)" "${targets[@]}" >&2
}
