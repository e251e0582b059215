#!/usr/bin/env bash
# Trains docker/job.toml over containers twice, once with a node's container killed on the way, and compares the weights.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
  cat <<'TEXT'
usage: docker/test.sh [--program FILE]

train over containers, kill one on the way, compare the weights with an undisturbed run

Needs root and the Debian packages docker.io and docker-compose; starts an engine of its own where none runs.
Where there is no image registry, the base image is made with debootstrap.

  --program FILE  put this troupe into the image instead of building docker/Dockerfile (much quicker)
TEXT
}

readonly kBase=troupe-test-base kProgramImage=troupe-test kProject=troupe-test
work="" engine="" program=""

say() { printf '%s\n' "docker/test: $*" >&2; }
skip() { say "skipped: $*" && exit 0; }
fail() {
  say "FAILED: $*"
  exit 1
}

# compose PROJECT WORDS...: what this machine has of v2 and 1.29.
compose() {
  local project=$1
  shift
  TROUPE_IMAGE=$kProgramImage TROUPE_BASE=$kBase "${compose_command[@]}" -p "$project" -f docker/compose.yaml "$@"
}

find_compose() {
  if docker compose version >/dev/null 2>&1; then
    compose_command=(docker compose)
  elif command -v docker-compose >/dev/null; then
    compose_command=(docker-compose)
  else
    skip "neither compose v2 nor docker-compose is installed (apt-get install docker-compose)"
  fi
  say "compose: $("${compose_command[@]}" version --short)"
}

start_engine() {
  docker info >/dev/null 2>&1 && return
  export DOCKER_HOST=unix://$work/docker.sock
  dockerd --host "$DOCKER_HOST" --data-root "$work/data" --exec-root "$work/exec" --pidfile "$work/pid" \
    >"$work/dockerd.log" 2>&1 &
  engine=$!
  local tries
  for ((tries = 0; tries < 100; ++tries)); do
    docker info >/dev/null 2>&1 && return
    kill -0 "$engine" 2>/dev/null || break
    sleep 0.1
  done
  tail -n 5 "$work/dockerd.log" >&2
  skip "no engine can be started here (its last words are above)"
}

clean_up() {
  local status=$? project
  for project in "$kProject-calm" "$kProject-killed"; do
    compose "$project" down -v >/dev/null 2>&1 || true
  done
  if [[ -n $engine ]]; then
    kill "$engine" || true
    wait "$engine" || true
  fi
  rm -rf "$work"
  exit "$status"
}

# A registry's image where there is one; else a fresh Debian with this machine's certificates and pip settings, without
# which nothing could be installed in it either.
make_base() {
  docker image inspect "$kBase" >/dev/null 2>&1 && return
  if timeout 120 docker pull -q debian:12 >/dev/null 2>&1; then
    docker tag debian:12 "$kBase"
    return
  fi
  command -v debootstrap >/dev/null || skip "no registry to pull debian:12 from, and no debootstrap to make it"
  say "making the base image with debootstrap"
  debootstrap --variant=minbase bookworm "$work/root" >"$work/debootstrap.log" 2>&1 ||
    skip "debootstrap failed: $(tail -n 1 "$work/debootstrap.log")"
  cp -r /usr/local/share/ca-certificates "$work/root/usr/local/share/"
  [[ ! -f /etc/pip.conf ]] || cp /etc/pip.conf "$work/root/etc/"
  tar -C "$work/root" -c . | docker import - "$kBase" >/dev/null
}

build_image() {
  if [[ -z $program ]]; then
    say "building docker/Dockerfile"
    docker build -q -f docker/Dockerfile --build-arg BASE="$kBase" -t "$kProgramImage" . >"$work/build.log" 2>&1 || {
      tail -n 30 "$work/build.log" >&2
      fail "docker/Dockerfile does not build (see above)"
    }
    return
  fi
  say "making an image of $program"
  docker/collect_runtime.sh "$program" "$work/context/runtime"
  { echo "FROM $kBase AS final" && sed -e '1,/^FROM .* AS final/d' -e 's|--from=build /runtime|runtime|' docker/Dockerfile; } \
    >"$work/context/Dockerfile"
  docker build -q -t "$kProgramImage" "$work/context" >"$work/build.log" 2>&1 || {
    tail -n 30 "$work/build.log" >&2
    fail "the last stage of docker/Dockerfile does not build (see above)"
  }
}

container() { compose "$1" ps -q "$2"; }

wait_for() {  # wait_for SECONDS PROJECT PATTERN: until the run's events hold it
  local until=$((SECONDS + $1))
  while ((SECONDS < until)); do
    if read_run "$2" events.jsonl | grep -qE "$3"; then
      return 0
    fi
    sleep 0.2
  done
  return 1
}

read_run() { docker exec "$(container "$1" head)" cat "runs/latest/$2" 2>/dev/null || true; }

wait_for_end() {  # wait_for_end PROJECT: the head's exit status must be 0
  local status
  status=$(timeout 300 docker wait "$(container "$1" head)") || fail "$1: the head did not end within 300 s"
  if [[ $status != 0 ]]; then
    compose "$1" logs --tail=40 >&2
    fail "$1: the head ended with status $status"
  fi
}

in_run() {  # in_run PROJECT WORDS...: a program in a container of its own, over the run's volume
  local project=$1
  shift
  docker run --rm --network none -v "${project}_runs:/opt/troupe/runs" --entrypoint "$1" "$kProgramImage" "${@:2}"
}

check_whole() {  # each step of metrics.jsonl once, in order
  local steps
  steps=$(in_run "$1" cat runs/latest/metrics.jsonl | sed 's/.*"step":\([0-9]*\).*/\1/')
  [[ $steps == "$(seq 300)" ]] || fail "$1: metrics.jsonl does not hold steps 1 to 300 once each"
}

calm_run() {
  say "undisturbed run"
  compose "$kProject-calm" up -d >"$work/up.log" 2>&1 || { cat "$work/up.log" >&2 && fail "compose up"; }
  wait_for_end "$kProject-calm"
  check_whole "$kProject-calm"
}

killed_run() {
  say "run with node-two's container killed"
  local project=$kProject-killed
  compose "$project" up -d >"$work/up.log" 2>&1 || { cat "$work/up.log" >&2 && fail "compose up"; }
  wait_for 60 "$project" '"event":"checkpoint","step":60' || fail "no checkpoint of step 60 within 60 s"
  local victim
  victim=$(container "$project" node-two)
  docker kill "$victim" >/dev/null
  wait_for 30 "$project" '"event":"node_lost","node":"node-two"' || {
    read_run "$project" events.jsonl | tail -n 30 >&2
    compose "$project" logs --tail=40 head >&2
    fail "the head did not notice within 30 s"
  }
  docker start "$victim" >/dev/null
  wait_for_end "$project"
  check_whole "$project"
  local events
  events=$(in_run "$project" cat runs/latest/events.jsonl)
  grep -q '"event":"rollback"' <<<"$events" || fail "the run did not go back: the kill came too late to mean anything"
  grep -qE '"event":"actor_up".*"incarnation":[2-9].*"node":"node-two"' <<<"$events" ||
    fail "no actor came back on the restarted node"
  grep -E '"event":"(node_lost|node_joined|rollback)"' <<<"$events" >&2
}

while [[ $# -gt 0 ]]; do
  case "$1" in
    --program)
      program=$(realpath "${2:?--program needs a file}")
      shift 2
      ;;
    --help | -h) usage && exit 0 ;;
    *) usage >&2 && say "unknown option $1" && exit 2 ;;
  esac
done

[[ $(id -u) == 0 ]] || skip "needs root"
command -v dockerd >/dev/null || skip "docker is not installed (apt-get install docker.io docker-compose)"
find_compose
TROUPE_IMAGE=x "${compose_command[@]}" -f docker/compose.yaml config -q || fail "docker/compose.yaml is not accepted"
work=$(mktemp -d /tmp/troupe-docker.XXXXXX)
trap clean_up EXIT
start_engine
./setup
make_base
build_image
calm_run
killed_run
calm=$(in_run "$kProject-calm" troupe digest runs/latest)
killed=$(in_run "$kProject-killed" troupe digest runs/latest)
say "weights of the undisturbed run: $calm"
say "weights of the disturbed run:   $killed"
[[ $calm == "$killed" ]] || fail "the weights differ"
say "passed after $SECONDS s"
