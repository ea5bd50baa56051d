"""Ground truth: a JSON list of clips with their repetitions, for training and for evaluation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pipeline.errors import DatasetError


def read_clips(path: Path) -> list[dict[str, Any]]:
    """The clips of a ground-truth file, each with `file` (text) and `reps` (a list of objects), as they stand there.

    Raises DatasetError where the file is missing or is no such list.
    """
    try:
        clips = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DatasetError(f"{path}: no such file. Expected a JSON list of clips with their reps.") from error
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror}). Expected a ground-truth JSON file.") from error
    except ValueError as error:
        raise DatasetError(f"{path}: not JSON ({error}).") from error
    if not isinstance(clips, list) or not all(map(_is_clip, clips)):
        raise DatasetError(f'{path}: expected a list of {{"file": ..., "reps": [{{"start_s": ...}}, ...]}}.')
    return clips


def _is_clip(clip: object) -> bool:
    if not isinstance(clip, dict) or not isinstance(clip.get("file"), str) or not isinstance(clip.get("reps"), list):
        return False
    return all(isinstance(rep, dict) for rep in clip["reps"])
