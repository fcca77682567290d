#!/usr/bin/env bash
# Make the virtual environment given as the first argument and install the package with its tested versions.
set -euo pipefail
venv=$1
python=""
for candidate in python3.11 python3.12 python3; do
    if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))'; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "Faultfield needs Python 3.11 or 3.12 (its simulator has no builds for others); install python3.12 and python3.12-venv." >&2
    exit 2
fi
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[robosuite,metaworld,vision,detector,search,dev]'
# Without what it wants for simulators of its own (egl_probe needs cmake and a compiler), which is never imported here.
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -c constraints.txt robomimic==0.3.0
touch "$venv/.ready"
