#!/usr/bin/env bash
# Runs the library's tests with the lowest versions that setup.cfg allows.
#
# uv takes the bounds from setup.cfg and resolves everything that is named there
# to its lowest version. Arguments are pytest's, files of tests among them:
#
#     PYTHON=3.11 tests/lowest.sh tests/library/test_audit.py
set -euo pipefail
cd "$(dirname "$0")/.."
environment=$(mktemp -d)
trap 'rm -rf "$environment"' EXIT
python3 -m venv "$environment/uv"
"$environment/uv/bin/pip" install --quiet uv
uv=$environment/uv/bin/uv
"$uv" venv --quiet --python "${PYTHON:-3.10}" "$environment/lowest"
"$uv" pip install --quiet --python "$environment/lowest" \
    --resolution lowest-direct --editable ".[lowest]"
"$uv" pip list --python "$environment/lowest"
# The pages are about the experiments too, which need Python 3.11.
"$environment/lowest/bin/python" -m pytest -n0 \
    --ignore tests/library/test_docs.py "${@:-tests/library}"
