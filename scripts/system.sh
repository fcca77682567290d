#!/usr/bin/env bash
# Install the system libraries that are missing: OpenGL for the simulator, Chromium for the test of the report.
set -euo pipefail
missing=()
has() { ldconfig -p | grep -q "$1"; }
has libEGL.so.1 || missing+=(libegl1)
has libGL.so.1 || missing+=(libgl1)
has libglib-2.0.so.0 || missing+=(libglib2.0-0)
ls /usr/lib/*/dri/swrast_dri.so /usr/lib/*/libgallium*.so >/dev/null 2>&1 || dpkg -s libgl1-mesa-dri >/dev/null 2>&1 || missing+=(libgl1-mesa-dri)
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || missing+=(chromium)
python3 -c 'import ensurepip, venv' >/dev/null 2>&1 || missing+=(python3-venv)
[ ${#missing[@]} -eq 0 ] && exit 0
run=()
if [ "$(id -u)" -ne 0 ]; then
    if sudo -n true 2>/dev/null; then run=(sudo); else
        echo "System packages are missing; install them first: sudo apt-get install ${missing[*]}" >&2
        exit 2
    fi
fi
command -v apt-get >/dev/null || { echo "System packages are missing and there is no apt-get: ${missing[*]}" >&2; exit 2; }
echo "Installing system packages: ${missing[*]}"
"${run[@]}" apt-get update -q >/dev/null
DEBIAN_FRONTEND=noninteractive "${run[@]}" apt-get install -y -q "${missing[@]}" >/dev/null
