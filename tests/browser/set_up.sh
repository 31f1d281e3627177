#!/bin/sh
# Sees to it that there is a Chromium for the tests: where none is, and apt may be used, Debian's is installed. Exits
# with 1 and the reason where there is none afterwards.
set -eu

for name in ${NEXTPLAY_CHROMIUM:-chromium chromium-browser google-chrome}; do
    if command -v "$name" >/dev/null; then exit 0; fi
done
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "There is no Chromium for the browser tests, and only root on Debian or Ubuntu can have it installed here." >&2
    exit 1
fi
echo "Installing Chromium for the browser tests ..."
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
{ apt-get update -q && apt-get install -y -q --no-install-recommends chromium; } >"$log" 2>&1 || {
    tail -n 3 "$log" >&2
    echo "Chromium could not be installed for the browser tests." >&2
    exit 1
}
