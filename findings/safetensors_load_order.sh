#!/usr/bin/env bash
# safetensors 0.8.0 gives the tensors of the same bytes in another order at every call of `load`, while `load_file` gives
# them sorted by name; neither keeps the order of the dictionary that was saved. Who zips the values of two dictionaries,
# or numbers them as they come, is right in a test with a few tensors and wrong in another run. Numbers in the names, to
# sort by, help; so does asking for each tensor by its name.
#
# Seen with safetensors 0.8.0, numpy 2.4.6:
#   saved: layer.2, layer.10, layer.1, layer.0
#   load, 100 times: more than one order
#   load_file, 100 times: layer.0, layer.1, layer.10, layer.2
#   values by name: as saved
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet safetensors==0.8.0 numpy==2.4.6
cat > "$folder/look.py" <<'PYTHON'
import numpy as np
from safetensors.numpy import load, load_file, save, save_file

tensors = {f"layer.{number}": np.full(number + 1, number, np.float32) for number in (2, 10, 1, 0)}
content = save(tensors)
save_file(tensors, "tensors.safetensors")


def orders(found):
    different = {tuple(one) for one in found}
    return ", ".join(different.pop()) if len(different) == 1 else "more than one order"


print("saved:", ", ".join(tensors))
print("load, 100 times:", orders(load(content) for _ in range(100)))
print("load_file, 100 times:", orders(load_file("tensors.safetensors") for _ in range(100)))
same = all(np.array_equal(one, tensors[name]) for name, one in load(content).items())
print("values by name:", "as saved" if same else "others")
PYTHON
seen=$(cd "$folder" && "$folder/venv/bin/python" look.py)
echo "$seen"
diff <(echo "$seen") <(sed -n 's/^#   //p' "$0")
