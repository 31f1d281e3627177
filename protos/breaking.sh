#!/bin/sh
# Compares the protos with those of the previous commit: a change that breaks a client which exists fails.
set -eu
cd "$(dirname "$0")/.."
previous=.cache/previous

revision=$(git rev-parse --quiet --verify HEAD^ 2>/dev/null || git rev-parse --quiet --verify HEAD 2>/dev/null) || {
    echo "buf breaking: skipped, because this is not a git repository with a commit to compare with."
    exit 0
}
rm -rf "$previous"
mkdir -p "$previous/.cache"
git archive "$revision" protos/nextplay buf.yaml | tar -x -C "$previous"
cp -R .cache/googleapis "$previous/.cache/googleapis"
buf breaking --against "$previous"
