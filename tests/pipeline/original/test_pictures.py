"""Folders of SkeleMotion pictures: their order, their videos, and what is no such picture."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.errors import DatasetError
from pipeline.original.pictures import load_pictures


def write(folder: Path, name: str, grey: np.ndarray) -> None:
    folder.mkdir(exist_ok=True)
    cv2.imwrite(str(folder / name), cv2.applyColorMap(grey.astype(np.uint8), cv2.COLORMAP_HSV))


def test_pictures_are_ordered_by_number_and_grouped_by_video(tmp_path: Path) -> None:
    grey = np.arange(4500).reshape(45, 100) % 200
    for number in (10, 2):
        write(tmp_path / "p", f"clip_rep_{number}_1_x.png", grey)
    pictures = load_pictures(tmp_path / "p")
    assert [file.name for file in pictures.files] == ["clip_rep_2_1_x.png", "clip_rep_10_1_x.png"]
    assert pictures.groups == ("clip", "clip")
    np.testing.assert_array_equal(pictures.greys[0], grey)


def test_blank_pictures_are_left_out(tmp_path: Path) -> None:
    write(tmp_path / "p", "a_rep_0.png", np.arange(4500).reshape(45, 100) % 200)
    write(tmp_path / "p", "a_rep_1.png", np.full((45, 100), 24))
    assert len(load_pictures(tmp_path / "p").files) == 1


def test_static_share_and_length_are_read_off_the_picture(tmp_path: Path) -> None:
    grey = np.full((45, 100), 130)
    grey[:, 90:] = 24
    write(tmp_path / "p", "a_rep_0.png", grey)
    pictures = load_pictures(tmp_path / "p")
    assert pictures.static_share[0] == pytest.approx(0.1)
    assert pictures.frames[0] == pytest.approx(100.0)


def test_folder_without_pictures_is_a_dataset_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no SkeleMotion pictures"):
        load_pictures(tmp_path)


def test_other_colours_are_a_dataset_error(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a_rep_0.png"), np.full((45, 100, 3), 77, np.uint8))
    with pytest.raises(DatasetError, match="colours"):
        load_pictures(tmp_path)
