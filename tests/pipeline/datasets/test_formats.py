"""The formats of exported repetitions, read as their readers read them."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, parse

import numpy as np
import pytest
from dataset_rows import ROW
from drawn_lifts import video

from pipeline.config import EncodeConfig
from pipeline.datasets.coco import KEYPOINTS, NAME, SPLIT_NAMES, CocoKeypoints
from pipeline.datasets.elan import write_eaf
from pipeline.datasets.landmarks import MARGIN_S, around, at_rate, read_landmarks, write_landmarks
from pipeline.datasets.ntu_skeleton import DISTANCE_M, kinect_joints, write_skeleton
from pipeline.datasets.rows import ExportedRep
from pipeline.datasets.skelemotion import write_picture
from pipeline.errors import DatasetError
from pipeline.landmarks import INDEX
from pipeline.original.model import grey_of, orientation_image
from pipeline.records import Pose, Rep
from pipeline.skelemotion import encode

POSE, REPS = video(1)
REP = REPS[1]


def row(cut: Rep = REP, **changes: Any) -> ExportedRep:
    return replace(ROW, start_s=cut.start_s, end_s=cut.end_s, **changes)


def without_body(pose: Pose, first_s: float, last_s: float) -> Pose:
    """The same, with nobody there for a while."""
    gone = (pose.time >= first_s) & (pose.time < last_s)
    values = {name: getattr(pose, name).copy() for name in ("image", "world", "depth", "visibility")}
    for name, array in values.items():
        array[gone] = 0.0 if name == "visibility" else np.nan
    return replace(pose, **values)


# Landmarks


def test_landmarks_come_back(tmp_path: Path) -> None:
    write_landmarks(tmp_path / "a.npz", POSE, REP)
    pose, rep = read_landmarks(tmp_path / "a.npz")
    assert rep == REP
    np.testing.assert_array_equal(pose.image, around(POSE, REP.start_s, REP.end_s).image)


def test_the_landmarks_about_a_repetition_encode_as_all_of_them_do(tmp_path: Path) -> None:
    write_landmarks(tmp_path / "a.npz", POSE, REP)
    pose, rep = read_landmarks(tmp_path / "a.npz")
    np.testing.assert_array_equal(encode(pose, rep, EncodeConfig()).image, encode(POSE, REP, EncodeConfig()).image)


def test_equal_landmarks_are_equal_files(tmp_path: Path) -> None:
    for name in ("a.npz", "b.npz"):
        write_landmarks(tmp_path / name, POSE, REP)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04broken", b"\x93NUMPY"])
def test_damaged_landmarks_are_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(DatasetError, match=r"a\.npz"):
        read_landmarks(tmp_path / "a.npz")


def test_an_even_grid_is_between_its_neighbours() -> None:
    dense = at_rate(POSE, 40.0)
    assert np.allclose(np.diff(dense.time), 1 / 40)
    np.testing.assert_allclose(dense.image[2], (POSE.image[0] + POSE.image[1]) / 2, rtol=1e-5)


def test_what_is_said_of_the_back_goes_with_its_pose(tmp_path: Path) -> None:
    bows = np.where(np.arange(len(POSE.time)) % 2, np.float32(0.05), np.float32(np.nan)).astype(np.float32)
    told = replace(POSE, back_bow=bows)
    dense = at_rate(told, 4 / float(np.diff(POSE.time).min()))
    nearest = np.abs(dense.time[:, None] - POSE.time).argmin(axis=1)
    is_between = np.abs(dense.time - POSE.time[nearest]) > 0.4 * np.diff(POSE.time).min()  # as near to the other
    np.testing.assert_array_equal(dense.back_bow[~is_between], bows[nearest][~is_between])
    write_landmarks(tmp_path / "a.npz", told, REP)
    near = (POSE.time >= REP.start_s - MARGIN_S) & (POSE.time <= REP.end_s + MARGIN_S)
    np.testing.assert_array_equal(read_landmarks(tmp_path / "a.npz")[0].back_bow, bows[near])


def test_nobody_is_put_where_nobody_was_seen() -> None:
    dense = at_rate(without_body(POSE, 2.0, 3.0), 30.0)
    assert not dense.detected[(dense.time > 2.05) & (dense.time < 2.85)].any()


def test_the_picture_is_that_of_the_published_code(tmp_path: Path) -> None:
    import cv2

    assert write_picture(tmp_path / "a.png", POSE, REP)
    stored = cv2.imread(str(tmp_path / "a.png"))
    np.testing.assert_array_equal(
        stored, orientation_image(at_rate(around(POSE, REP.start_s, REP.end_s, 0.5), 30.0), REP)
    )
    assert grey_of(stored).shape == (45, 100)


def test_without_a_body_there_is_no_picture(tmp_path: Path) -> None:
    assert not write_picture(tmp_path / "a.png", without_body(POSE, 0.0, 100.0), REP)


# NTU RGB+D skeletons


def read_skeleton(path: Path) -> list[list[list[list[float]]]]:
    """Frames of bodies of joints of numbers, read line by line as the reader of the dataset does."""
    lines = iter(path.read_text().splitlines())
    frames = []
    for _ in range(int(next(lines))):
        bodies = []
        for _ in range(int(next(lines))):
            assert len(next(lines).split(" ")) == 10
            bodies.append([[float(value) for value in next(lines).split(" ")] for _ in range(int(next(lines)))])
        frames.append(bodies)
    assert next(lines, None) is None
    return frames


def test_a_skeleton_has_every_pose_of_the_repetition(tmp_path: Path) -> None:
    count = write_skeleton(tmp_path / "a.skeleton", POSE, REP.start_s, REP.end_s)
    frames = read_skeleton(tmp_path / "a.skeleton")
    assert len(frames) == count == ((POSE.time >= REP.start_s) & (POSE.time < REP.end_s)).sum()


def test_a_body_has_the_kinects_joints(tmp_path: Path) -> None:
    write_skeleton(tmp_path / "a.skeleton", POSE, REP.start_s, REP.end_s)
    assert {(len(body), len(body[0])) for (body,) in read_skeleton(tmp_path / "a.skeleton")} == {(25, 12)}


def test_a_frame_without_a_person_has_no_body(tmp_path: Path) -> None:
    write_skeleton(tmp_path / "a.skeleton", without_body(POSE, REP.start_s, REP.start_s + 0.2), REP.start_s, REP.end_s)
    assert [len(bodies) for bodies in read_skeleton(tmp_path / "a.skeleton")][:3] == [0, 0, 1]


def test_joints_are_in_metres_with_up_as_up() -> None:
    metres, _, _ = kinect_joints(POSE)
    head, base, foot = metres[0, 3], metres[0, 0], metres[0, 15]
    assert head[1] > base[1] > foot[1]
    assert 1.0 < np.ptp(metres[:, :, 1]) < 2.2
    assert base[2] == pytest.approx(DISTANCE_M, abs=0.1)


def test_the_hips_travel() -> None:
    metres, _, _ = kinect_joints(POSE)
    assert np.ptp(metres[:, 0, 1]) > 0.2


def test_left_is_left() -> None:
    _, pixels, _ = kinect_joints(POSE)
    np.testing.assert_allclose(pixels[:, 4], POSE.image[:, INDEX["left_shoulder"]], rtol=1e-6)
    np.testing.assert_allclose(pixels[:, 18], POSE.image[:, INDEX["right_ankle"]], rtol=1e-6)


# COCO keypoints


def coco(folder: Path, *poses: Pose, rows: tuple[ExportedRep, ...] = ()) -> dict[str, Any]:
    with closing(CocoKeypoints(folder)) as keypoints:
        for one, pose in zip(rows or [row()] * len(poses), poses, strict=True):
            keypoints.add(one, pose, REP)
    content: dict[str, Any] = json.loads((folder / NAME).read_text())
    return content


def test_coco_has_an_image_and_a_person_for_every_pose(tmp_path: Path) -> None:
    content = coco(tmp_path, POSE, POSE)
    count = 2 * ((POSE.time >= REP.start_s) & (POSE.time < REP.end_s)).sum()
    assert [image["id"] for image in content["images"]] == list(range(1, count + 1))
    assert [one["image_id"] for one in content["annotations"]] == list(range(1, count + 1))


def test_coco_images_of_overlapping_repetitions_have_names_of_their_own(tmp_path: Path) -> None:
    rows = tuple(row(rep=f"squad_rep_{number}") for number in (0, 1))
    names = [image["file_name"] for image in coco(tmp_path, POSE, POSE, rows=rows)["images"]]
    assert len(set(names)) == len(names) > 0


def test_coco_keypoints_are_landmarks(tmp_path: Path) -> None:
    content = coco(tmp_path, POSE)
    first = int(np.flatnonzero(POSE.time >= REP.start_s)[0])
    nose = content["annotations"][0]["keypoints"][:3]
    assert nose[:2] == pytest.approx(POSE.image[first, INDEX["nose"]], abs=0.01)
    assert content["categories"][0]["keypoints"] == list(KEYPOINTS)


def test_coco_points_outside_of_the_picture_are_not_there(tmp_path: Path) -> None:
    image = POSE.image.copy()
    image[:, INDEX["nose"]] = -5.0
    (person, *_) = coco(tmp_path, replace(POSE, image=image))["annotations"]
    assert person["keypoints"][:3] == [0, 0, 0]
    assert person["num_keypoints"] == sum(v > 0 for v in person["keypoints"][2::3]) == 16


def test_coco_people_have_the_fields_of_object_annotations(tmp_path: Path) -> None:
    for person in coco(tmp_path, POSE)["annotations"]:
        assert {"id", "image_id", "category_id", "segmentation", "area", "bbox", "iscrowd"} < person.keys()
        assert person["segmentation"] == []


def test_coco_boxes_hold_the_keypoints(tmp_path: Path) -> None:
    for person in coco(tmp_path, POSE)["annotations"]:
        x, y, _, height = person["bbox"]
        points = np.array(person["keypoints"]).reshape(-1, 3)
        assert (points[:, 0] >= x - 0.01).all()
        assert (points[:, 1] <= y + height + 0.02).all()


def test_coco_without_poses_is_whole(tmp_path: Path) -> None:
    assert coco(tmp_path)["images"] == []


def test_nothing_is_left_beside_coco(tmp_path: Path) -> None:
    coco(tmp_path, POSE)
    found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {NAME, *SPLIT_NAMES.values(), "images/README.txt"}


# ELAN

_ORDER = ("HEADER", "TIME_ORDER", "TIER", "LINGUISTIC_TYPE", "CONSTRAINT")


def eaf(path: Path, *rows: ExportedRep) -> Element:
    write_eaf(path, rows)
    return parse(path).getroot()


def three(**changes: Any) -> tuple[ExportedRep, ...]:
    return tuple(row(rep, rep=f"squad_rep_{n}", number=n, **changes) for n, rep in enumerate(REPS[:3]))


def test_eaf_is_laid_out_as_its_schema_wants(tmp_path: Path) -> None:
    root = eaf(tmp_path / "a.eaf", *three(score=0.25, note="slow"))
    assert root.tag == "ANNOTATION_DOCUMENT"
    assert {"AUTHOR", "DATE", "FORMAT", "VERSION"} < root.attrib.keys()
    places = [_ORDER.index(child.tag) for child in root]
    assert places == sorted(places)
    assert [child.tag for child in root[0]] == ["MEDIA_DESCRIPTOR", "PROPERTY"]


def test_eaf_ids_are_unique_and_every_reference_is_there(tmp_path: Path) -> None:
    root = eaf(tmp_path / "a.eaf", *three(score=0.25, note="slow"))
    slots = [slot.attrib["TIME_SLOT_ID"] for slot in root.iter("TIME_SLOT")]
    annotations = [one for tag in ("ALIGNABLE_ANNOTATION", "REF_ANNOTATION") for one in root.iter(tag)]
    ids = [one.attrib["ANNOTATION_ID"] for one in annotations]
    used = [one.attrib[f"TIME_SLOT_REF{end}"] for one in root.iter("ALIGNABLE_ANNOTATION") for end in (1, 2)]
    types = {one.attrib["LINGUISTIC_TYPE_ID"] for one in root.iter("LINGUISTIC_TYPE")}
    tiers = {tier.attrib["TIER_ID"] for tier in root.iter("TIER")}
    assert len(set(slots)) == len(slots)
    assert sorted(used) == sorted(slots)
    assert len(set(ids)) == len(ids)
    assert {one.attrib["ANNOTATION_REF"] for one in root.iter("REF_ANNOTATION")} <= set(ids)
    assert {tier.attrib["LINGUISTIC_TYPE_REF"] for tier in root.iter("TIER")} <= types
    assert {tier.attrib["PARENT_REF"] for tier in root.iter("TIER") if "PARENT_REF" in tier.attrib} <= tiers


@pytest.mark.parametrize(
    ("video", "name"),
    [("/data/upload/1/0a-squad.MOV", "./squad-1.MOV"), ("https://e.com/v?id=7", "./squad-1.mp4")],
)
def test_eaf_names_a_video_beside_it(tmp_path: Path, video: str, name: str) -> None:
    (media,) = eaf(tmp_path / "squad-1.eaf", row(video=video, name="squad-1")).iter("MEDIA_DESCRIPTOR")
    assert media.attrib["RELATIVE_MEDIA_URL"] == name


def test_eaf_counts_its_annotations(tmp_path: Path) -> None:
    root = eaf(tmp_path / "a.eaf", *three(score=0.25))
    (last,) = [one.text for one in root.iter("PROPERTY") if one.attrib["NAME"] == "lastUsedAnnotationId"]
    assert last == str(len(list(root.iter("ANNOTATION"))))


def test_eaf_time_slots_are_in_order(tmp_path: Path) -> None:
    touching = (row(Rep(1.0, 1.5, 2.0)), row(Rep(2.0, 2.5, 3.0)))
    times = [int(slot.attrib["TIME_VALUE"]) for slot in eaf(tmp_path / "a.eaf", *touching).iter("TIME_SLOT")]
    assert times == [1000, 2000, 2000, 3000]


def test_eaf_repetitions_keep_their_times_and_labels(tmp_path: Path) -> None:
    root = eaf(tmp_path / "a.eaf", *three(label="anomalous"))
    at = {slot.attrib["TIME_SLOT_ID"]: int(slot.attrib["TIME_VALUE"]) for slot in root.iter("TIME_SLOT")}
    found = [
        (at[one.attrib["TIME_SLOT_REF1"]], at[one.attrib["TIME_SLOT_REF2"]], one[0].text)
        for one in root.iter("ALIGNABLE_ANNOTATION")
    ]
    assert found == [(round(rep.start_s * 1000), round(rep.end_s * 1000), "anomalous") for rep in REPS[:3]]


def test_eaf_holds_whatever_people_write(tmp_path: Path) -> None:
    said = '<b> & "so" ü\u00a0dos\u3000rond \U0001f468\u200d\U0001f469'
    root = eaf(tmp_path / "a.eaf", row(note=f"\x00{said}\ud800", video="https://e.com/a?b=1&c=2"))
    (note,) = [tier for tier in root.iter("TIER") if tier.attrib["TIER_ID"] == "reps-note"]
    assert next(note.iter("ANNOTATION_VALUE")).text == said


def test_eaf_leaves_out_tiers_that_say_nothing(tmp_path: Path) -> None:
    tiers = [tier.attrib["TIER_ID"] for tier in eaf(tmp_path / "a.eaf", row()).iter("TIER")]
    assert tiers == ["reps", "reps-origin", "reps-fault"]
