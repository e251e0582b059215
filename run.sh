#!/usr/bin/env bash
# From a fresh clone to a trained model and a passage that it wrote: ./run.sh [CONFIG] [section.key=value]...
# What is installed, built or made already is skipped.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source cmake/build.sh

if [[ ${1:-} == --help || ${1:-} == -h ]]; then
  cat <<'TEXT'
usage: ./run.sh [CONFIG] [section.key=value]...

install what is missing, build, train a job, and let the trained model write a passage

  CONFIG               job file, see docs/configuration.md (default configs/default.toml)
  section.key=value    keys to set instead of the file's, such as train.steps=100
TEXT
  exit 0
fi
config=configs/default.toml
if [[ $# -gt 0 && $1 != *=* ]]; then
  config=$1
  shift
fi

./setup
build_preset release troupe
troupe=build/release/troupe

status=0
"$troupe" train "$config" "$@" || status=$?
if [[ $status != 0 ]]; then
  exit "$status"  # troupe has said why; 75 = stopped, and it has said how to go on
fi
printf '\n%s\n' "What the trained model writes (more: $troupe generate runs/latest --prompt 'And God said'):" >&2
"$troupe" generate runs/latest --prompt "And God said" --count 400
