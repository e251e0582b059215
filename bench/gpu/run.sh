#!/usr/bin/env bash
# All GPU tests and GPU benchmarks, one JSON result file. Exit: 0 passed, 1 something failed, 2 usage, 77 no GPU here.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: bench/gpu/run.sh [--build DIR] [--out FILE] [--python PYTHON]
  --build DIR      a build of the cuda preset (default: build/cuda beside this checkout's sources); not built here
  --out FILE       result file (default: gpu-result.json in the build folder)
  --python PYTHON  interpreter whose torch brings the CUDA libraries (default: .venv/bin/python, else python3)
TEXT
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=$root/build/cuda
out=
python=
while [[ $# -gt 0 ]]; do
  case $1 in
    --build|--out|--python)
      [[ $# -ge 2 ]] || { echo "run.sh: $1 needs a value" >&2; exit 2; }
      printf -v "${1#--}" '%s' "$2"
      shift 2 ;;
    -h|--help) usage; exit 0 ;;
    *) echo "run.sh: unknown argument $1" >&2; usage >&2; exit 2 ;;
  esac
done
[[ -n $out ]] || out=$build/gpu-result.json
if [[ -z $python ]]; then
  python=$root/.venv/bin/python
  [[ -x $python ]] || python=python3
fi

if ! command -v nvidia-smi >/dev/null || ! nvidia-smi --list-gpus 2>/dev/null | grep -q '^GPU'; then
  echo "run.sh: skipped: no NVIDIA GPU with a driver here (nvidia-smi lists none)" >&2
  exit 77
fi

for program in tests/actors/gpu_tests bench/gpu/gpu_stage_throughput; do
  [[ -x $build/$program ]] && continue
  echo "run.sh: no $build/$program: build the cuda preset first (cmake --preset cuda && cmake --build --preset cuda)" >&2
  exit 2
done

# The folders of the torch wheel and of the nvidia wheels beside it: a build made elsewhere finds its libraries there.
library_folders=$("$python" - <<'PY'
import glob, importlib.util, os
spec = importlib.util.find_spec("torch")
if spec is None:
    raise SystemExit("no torch for this interpreter")
torch = os.path.dirname(spec.origin)
site = os.path.dirname(torch)
print(":".join([os.path.join(torch, "lib")] + sorted(glob.glob(os.path.join(site, "nvidia", "*", "lib")))))
PY
) || { echo "run.sh: $python has no torch; pass --python" >&2; exit 2; }
export LD_LIBRARY_PATH=$library_folders${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
"$build/tests/actors/gpu_tests" "--gtest_output=json:$work/tests.json" || failed=1
"$build/bench/gpu/gpu_stage_throughput" --benchmark_out="$work/benchmarks.json" --benchmark_out_format=json || failed=1
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader >"$work/devices.csv" || failed=1

mkdir -p "$(dirname "$out")"
trap 'rm -rf "$work"; echo "run.sh: result in $out" >&2' EXIT
"$python" - "$work" "$out" "$root" "$failed" <<'PY'
import ctypes, datetime, json, os, subprocess, sys
from importlib import metadata

work, out, root, failed = sys.argv[1:]

def load(name):
    try:
        with open(os.path.join(work, name)) as file:
            return json.load(file)
    except (OSError, ValueError):
        return None  # that program died before it wrote anything; "passed" says so

def nccl_version():
    try:
        number = ctypes.c_int()
        ctypes.CDLL("libnccl.so.2").ncclGetVersion(ctypes.byref(number))
        value = number.value
        return f"{value // 10000}.{value // 100 % 100}.{value % 100}"
    except OSError:
        return None

def commit():
    done = subprocess.run(["git", "-C", root, "rev-parse", "HEAD"], capture_output=True, text=True)
    return done.stdout.strip() or None

tests = load("tests.json")
benchmarks = load("benchmarks.json")
cases = [case for suite in (tests or {}).get("testsuites", []) for case in suite["testsuite"]]
rate = {entry["name"].split("/")[0]: entry["items_per_second"] for entry in (benchmarks or {}).get("benchmarks", [])
        if "items_per_second" in entry}
stage, plain = rate.get("train_stage"), rate.get("train_plain")
with open(os.path.join(work, "devices.csv")) as file:
    devices = [dict(zip(("name", "driver", "memory"), map(str.strip, line.split(",")))) for line in file]
skipped = [case["classname"] + "." + case["name"] for case in cases if case["result"] == "SKIPPED"]
# There is a GPU, so a test that found none is a failure, and so is a result that is not there.
passed = failed == "0" and bool(cases) and not skipped and stage is not None and plain is not None
result = {
    "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    "commit": commit(),
    "devices": devices,
    "torch": metadata.version("torch"),
    "nccl": nccl_version(),
    "passed": passed,
    "tests": {
        "run": sum(case["result"] == "COMPLETED" for case in cases),
        "skipped": skipped,
        "failed": [case["classname"] + "." + case["name"] for case in cases if case.get("failures")],
    },
    "tokens_per_second": {"stage": stage, "plain_libtorch": plain,
                          "ratio": stage / plain if stage and plain else None},
    "benchmarks": (benchmarks or {}).get("benchmarks"),
}
with open(out, "w") as file:
    json.dump(result, file, indent=2)
    file.write("\n")
print(json.dumps({key: result[key] for key in ("devices", "passed", "tests", "tokens_per_second")}, indent=2))
sys.exit(0 if passed else 1)
PY
