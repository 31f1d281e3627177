#!/bin/sh
# Makes .venv with everything that is pinned in requirements.lock, then the project itself. `make` calls it when one
# of its inputs is newer than .venv/.ready. Only a shell and Python 3.11 or newer are assumed; everything else comes
# from the Python package index.
set -eu
cd "$(dirname "$0")/../.."

say() { printf '%s\n' "$*"; }
fail() { printf '%s\n' "$*" >&2; exit 1; }

find_python() {
    for candidate in ${PYTHON:-python3.13 python3.12 python3.11 python3 python}; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

# A virtual environment breaks when the checkout moves or its Python is removed; then it is made anew.
if ! .venv/bin/python -c 'import pip' 2>/dev/null; then
    python=$(find_python) || fail "NextPlay needs Python 3.11 or newer, and none was found on the PATH;" \
        "install it, or name it: make PYTHON=/path/to/python3.11"
    say "1/4 Making .venv with $("$python" --version) ..."
    rm -rf .venv
    "$python" -m venv .venv >.venv.log 2>&1 || {
        cat .venv.log >&2
        rm -rf .venv .venv.log
        fail "$python cannot make a virtual environment; on Debian and Ubuntu its package python3-venv is missing."
    }
    rm -f .venv.log
else
    say "1/4 .venv is there."
fi

say "2/4 Installing the installer (uv) ..."
.venv/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9,<1'

# uv does not read pip's configuration; where pip was told of another index or of local wheels, uv is told too.
pip_setting() { .venv/bin/python -m pip config get "$1" 2>/dev/null || true; }
index=${UV_DEFAULT_INDEX:-${PIP_INDEX_URL:-$(pip_setting global.index-url)}}
links=${UV_FIND_LINKS:-${PIP_FIND_LINKS:-$(pip_setting global.find-links)}}
if [ -n "$index" ]; then export UV_DEFAULT_INDEX="$index"; fi
if [ -n "$links" ]; then export UV_FIND_LINKS="$links"; fi
export UV_HTTP_TIMEOUT="${UV_HTTP_TIMEOUT:-180}" UV_NO_PROGRESS=1

say "3/4 Installing $(grep -c '==' requirements.lock) pinned packages (about 400 MB the first time) ..."
.venv/bin/uv pip install --quiet --compile-bytecode --python .venv/bin/python --require-hashes \
    --requirement requirements.lock

say "4/4 Installing NextPlay itself ..."
set -- --editable .
if [ -f clients/python/pyproject.toml ]; then set -- "$@" --editable clients/python; fi
.venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation "$@"
touch .venv/.ready
