#!/usr/bin/env bash
# pyarrow 26 declares no dependency on numpy, so that pip installs it beside numpy 1.26 and `pip check` is content; it
# then refuses to be imported there. 25.0.1 works. Whoever is held below numpy 2 has to pin pyarrow by hand.
#
# Seen with pyarrow 26.0.1, numpy 1.26.4:
#   No broken requirements found.
#   pyarrow 26.0.1 numpy 1.26.4
#   pyarrow requires: []
#   ImportError: pyarrow requires NumPy 2.0 or newer, found 1.26.4
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pyarrow==26.0.1 numpy==1.26.4
cat > "$folder/look.py" <<'PYTHON'
from importlib.metadata import requires, version

print("pyarrow", version("pyarrow"), "numpy", version("numpy"))
print("pyarrow requires:", [one for one in requires("pyarrow") or [] if one.startswith("numpy")])
try:
    import pyarrow

    print("imported")
except ImportError as error:
    print("ImportError:", error)
PYTHON
seen=$(cd "$folder" && "$folder/venv/bin/pip" check; "$folder/venv/bin/python" look.py)
echo "$seen"
diff <(echo "$seen") <(sed -n 's/^#   //p' "$0")
