#!/bin/sh
# Renders every icon from icons/src. Needs rsvg-convert and python3.
set -eu
cd "$(dirname "$0")"

png() { # png SOURCE PIXELS TARGET
  rsvg-convert --width "$2" --height "$2" "src/$1.svg" --output "$3"
}

for pixels in 32 64 128 512; do png app "$pixels" "${pixels}x${pixels}.png"; done
png app 256 128x128@2x.png
png app 512 icon.png

mkdir -p tray
for source in src/tray-*.svg; do
  name=$(basename "$source" .svg)
  for pixels in 16 22 32 44; do png "$name" "$pixels" "tray/${name#tray-}-$pixels.png"; done
done

parts=$(mktemp -d)
trap 'rm -rf "$parts"' EXIT
for pixels in 16 24 32 48 64 128 256 512 1024; do png app "$pixels" "$parts/$pixels.png"; done
python3 containers.py "$parts"
