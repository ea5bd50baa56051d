#!/usr/bin/env bash
# Hugging Face datasets 5.2.0 cannot load a dataset of which one split has no rows, though the empty Parquet file has a
# schema. What happens depends on how the file was written: pyarrow's write_table makes an empty row group of an empty
# table, and then no split of the dataset can be loaded; a ParquetWriter that was given no table makes no group, and then
# single splits can. Leaving the split out of the `configs` of README.md helps.
#
# Seen with datasets 5.2.0, pyarrow 25.0.1:
#   write_table, split None: DatasetGenerationError: An error occurred while generating the dataset
#   write_table, split train: DatasetGenerationError: An error occurred while generating the dataset
#   no_row_group, split None: ValueError: Instruction "val" corresponds to no data!
#   no_row_group, split train: 2 rows
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet datasets==5.2.0 pyarrow==25.0.1
cat > "$folder/look.py" <<'PYTHON'
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import load_dataset

schema = pa.schema([("rep", pa.string())])


def load(how, wanted):
    folder = Path(how).resolve()
    folder.mkdir(exist_ok=True)
    pq.write_table(pa.table({"rep": ["a", "b"]}, schema=schema), folder / "train.parquet")
    with pq.ParquetWriter(folder / "val.parquet", schema) as writer:
        if how == "write_table":
            writer.write_table(pa.table({"rep": []}, schema=schema))
    splits = [f"  - split: {split}\n    path: {split}.parquet" for split in ("train", "val")]
    head = ["---", "configs:", "- config_name: default", "  data_files:", *splits, "---", ""]
    (folder / "README.md").write_text("\n".join(head))
    try:
        return f"{load_dataset(str(folder), split=wanted).num_rows} rows"
    except Exception as error:
        return f"{type(error).__name__}: {error}"


for how in ("write_table", "no_row_group"):
    for wanted in (None, "train"):
        print(f"{how}, split {wanted}: {load(how, wanted)}")
PYTHON
seen=$(cd "$folder" && HF_HUB_OFFLINE=1 HF_HOME="$folder/hf" "$folder/venv/bin/python" look.py 2> errors || { cat errors >&2; exit 1; })
echo "$seen"
diff <(echo "$seen") <(sed -n 's/^#   //p' "$0")
