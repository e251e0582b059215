#!/bin/sh
# collect_runtime.sh PROGRAM TREE: copies a troupe program, the libraries that it loads from outside of Debian, the jobs
# and the data into TREE, each where it will be looked for, and writes the Debian packages of its other libraries to
# TREE/opt/troupe/debian-packages. So an image holds what is loaded (0.5 GB), not what was installed to build it (2 GB).
set -eu
program=$(realpath "$1")
tree=$2
root=$(realpath "$(dirname "$0")/..")

mkdir -p "$tree/opt/troupe" "$tree/usr/local/bin"
cp --parents "$program" "$tree"
ln -sf "$program" "$tree/usr/local/bin/troupe"
cp -r "$root/configs" "$root/data" "$root/docker/job.toml" "$tree/opt/troupe"

# The loader's own spelling of each path ("torch/lib/../../nvidia"), made plain but with links kept.
ldd "$program" | awk '/=> \// {print $3}' | xargs -n 1 realpath -s | sort -u >"$tree/libraries"
grep /site-packages/ "$tree/libraries" | xargs cp --parents -L -t "$tree"
grep -v /site-packages/ "$tree/libraries" | xargs -n 1 basename | sed 's|^|*/|' | xargs -d '\n' dpkg-query -S |
  cut -d : -f 1 | sort -u >"$tree/opt/troupe/debian-packages"
rm "$tree/libraries"
