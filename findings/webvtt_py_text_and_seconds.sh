#!/usr/bin/env bash
# webvtt-py 0.6.0 takes the tags out of a cue's text but leaves WebVTT's escapes (&lt; &gt; &amp;) in it, which every
# browser shows as the characters that they stand for. A text that was written by the specification comes back changed;
# html.unescape puts it right. And start_in_seconds has whole seconds alone, as end_in_seconds does.
#
# Seen with webvtt-py 0.6.0:
#   raw: <b>back</b> &lt; 90 degrees &amp; knees
#   text: back &lt; 90 degrees &amp; knees
#   from 1.750 s: 00:00:01.750 is 1
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet webvtt-py==0.6.0
cat > "$folder/look.py" <<'PYTHON'
from pathlib import Path

import webvtt

Path("a.vtt").write_text("WEBVTT\n\n00:00:01.750 --> 00:00:02.900\n<b>back</b> &lt; 90 degrees &amp; knees\n")
(cue,) = webvtt.read("a.vtt")
print("raw:", cue.raw_text)
print("text:", cue.text)
print("from 1.750 s:", cue.start, "is", cue.start_in_seconds)
PYTHON
seen=$(cd "$folder" && "$folder/venv/bin/python" look.py)
echo "$seen"
diff <(echo "$seen") <(sed -n 's/^#   //p' "$0")
