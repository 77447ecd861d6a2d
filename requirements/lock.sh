#!/bin/sh
# Resolves pyproject.toml again and writes the locks of this folder: hashes, no URLs. Needs uv and Python 3.11.
set -eu
cd "$(dirname "$0")/.."
lock() {
    out=$1
    shift
    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
        --no-emit-index-url --no-emit-find-links "$@" --output-file "requirements/$out.txt"
}
lock dev pyproject.toml --extra api --extra watcher --group dev
lock service pyproject.toml --extra api --extra watcher
lock workers pyproject.toml --extra workers
lock test --group test
# For the contract tests: each Celery with the Kombu of its time; with these `workers` stands for Celery 5.7.
for version in 5.3 5.4 5.5 5.6; do
    printf '%s\n' "celery[redis]==$version.*" "kombu==$version.*" | lock "celery-$version" -
done
printf '%s\n' gevent eventlet | lock pools -
# What the benchmarks hold Petiole against; arq is in `dev`.
printf '%s\n' taskiq taskiq-redis streaq | lock rivals -
# What builds the package, as pyproject.toml asks for it; the images install it before they build without isolation.
python3 -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' |
    lock build -
