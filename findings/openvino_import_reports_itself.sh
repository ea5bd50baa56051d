#!/usr/bin/env bash
# openvino 2026.4.1: `import openvino`, for the runtime alone, also imports its converter of models (openvino.tools.ovc),
# and that reports the import as an event of telemetry, before any function was called. Where the converter cannot be
# imported, the runtime works all the same, and nothing is reported.
#
# Nothing is sent here: a recorder stands in the place of openvino_telemetry.
#
# Seen with openvino 2026.4.1, openvino-telemetry 2025.2.0, numpy 2.2.6:
#   plain import: reported ('ov', 'import', 'general_import'), converter loaded: True, 1 + 1 = 2.0
#   converter barred: reported nothing, converter loaded: False, 1 + 1 = 2.0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet openvino==2026.4.1 openvino-telemetry==2025.2.0 numpy==2.2.6
mkdir -p "$folder/stand-in/openvino_telemetry"
cat > "$folder/stand-in/openvino_telemetry/__init__.py" <<'PYTHON'
events = []


class Telemetry:
    def __init__(self, *words, **options):
        pass

    def send_event(self, *event, **options):
        events.append(event)

    def start_session(self, *words, **options):
        pass

    def end_session(self, *words, **options):
        pass
PYTHON
echo 'backend_ga4 = None' > "$folder/stand-in/openvino_telemetry/backend.py"
cat > "$folder/look.py" <<'PYTHON'
import sys

if "bar" in sys.argv:
    sys.modules["openvino.tools.ovc"] = None
import numpy
import openvino
import openvino_telemetry

number = openvino.opset13.parameter([1], openvino.Type.f32)
model = openvino.Model([openvino.opset13.add(number, number)], [number])
(total,) = openvino.Core().compile_model(model, "CPU")(numpy.ones(1, numpy.float32)).values()
reported = ", ".join(map(str, openvino_telemetry.events)) or "nothing"
loaded = sys.modules.get("openvino.tools.ovc") is not None
print(f"reported {reported}, converter loaded: {loaded}, 1 + 1 = {total[0]}")
PYTHON
look() { HOME="$folder" PYTHONPATH="$folder/stand-in" "$folder/venv/bin/python" "$folder/look.py" "$@"; }
found="plain import: $(look)
converter barred: $(look bar)"
echo "$found"
[ "$found" = "plain import: reported ('ov', 'import', 'general_import'), converter loaded: True, 1 + 1 = 2.0
converter barred: reported nothing, converter loaded: False, 1 + 1 = 2.0" ]
