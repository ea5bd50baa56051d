"""Reads an exported dataset with the libraries that it is for, in an environment of their own: nothing of ours here.

python dataset_readers.py READER FOLDER prints JSON. Repetitions: {rep: [start_frame, end_frame, label]}, or by video
{name: [[start_ms, end_ms, label]]}; landmarks: {name of a picture, repetition or video: ...} as each test says.
"""

import json
import os
import sys
from pathlib import Path


def _rows(rows):
    return {row["rep"]: [row["start_frame"], row["end_frame"], row["label"]] for row in rows}


def datasets(folder):
    from datasets import load_dataset

    loaded = load_dataset(str(folder), cache_dir=str(Path.cwd() / "cache"))
    return {split: _rows(rows) for split, rows in loaded.items()}


def polars(folder):
    import polars

    return _rows(polars.read_parquet(folder / "reps.parquet").to_dicts())


def pandas(folder):
    import pandas

    return _rows(pandas.read_parquet(folder / "reps.parquet").to_dict("records"))


def fiftyone(folder):
    import fiftyone.utils.data as data

    videos = Path.cwd() / "videos"
    videos.mkdir()
    for name in json.loads((folder / "fiftyone.json").read_text())["labels"]:
        (videos / f"{name}.mp4").touch()
    importer = data.FiftyOneTemporalDetectionDatasetImporter(
        data_path=str(videos), labels_path=str(folder / "fiftyone.json")
    )
    with importer:
        found = [one for _, _, label, _ in importer for one in label.detections]
    return {one["rep"]: [*one.support, one.label] for one in found}


def pympi(folder):
    import pympi

    return {
        path.stem: [list(one[:3]) for one in sorted(pympi.Eaf(str(path)).get_annotation_data_for_tier("reps"))]
        for path in folder.glob("elan/*.eaf")
    }


def webvtt(folder):
    import webvtt

    def milliseconds(text):  # start_in_seconds has whole ones
        hours, minutes, seconds = text.split(":")
        return round((int(hours) * 3600 + int(minutes) * 60 + float(seconds)) * 1000)

    return {
        path.stem: [
            [milliseconds(cue.start), milliseconds(cue.end), cue.text.split("\n")[0]] for cue in webvtt.read(str(path))
        ]
        for path in folder.glob("webvtt/*.vtt")
    }


def pycocotools(folder):
    from pycocotools.coco import COCO

    found = {}
    for path in folder.glob("annotations/person_keypoints_*.json"):
        sys.stdout = sys.stderr
        coco = COCO(str(path))
        sys.stdout = sys.__stdout__
        for one in coco.anns.values():
            keypoints = one["keypoints"]
            points = [keypoints[at : at + 2] for at in range(0, len(keypoints), 3)]
            found[coco.imgs[one["image_id"]]["file_name"]] = points
    return found


def datumaro(folder):
    import datumaro

    found = {}
    for item in datumaro.Dataset.import_from(str(folder), "coco_person_keypoints"):
        (points,) = [one for one in item.annotations if one.type.name == "points"]
        found[f"{item.id}.jpg"] = [list(points.points[at : at + 2]) for at in range(0, len(points.points), 2)]
    return found


def supervision(folder):
    """Of the first split that has any: the number of pictures, each read with its box."""
    import supervision

    path = folder / "annotations" / "person_keypoints_train.json"
    loaded = supervision.DetectionDataset.from_coco(str(folder / "images" / "train"), str(path))
    return [len(loaded), sum(len(detections) for _, _, detections in loaded)]


def sleap_io_coco(folder):
    import sleap_io

    path = folder / "annotations" / "person_keypoints_train.json"
    labels = sleap_io.load_file(str(path), dataset_root=str(folder))
    return [[frame.image.shape[:2], frame.instances[0].numpy().tolist()] for frame in labels]


def sleap_io(folder):
    import sleap_io

    found = {}
    for path in folder.glob("sleap/*.slp"):
        labels = sleap_io.load_file(str(path), open_videos=False)
        frames = {str(frame.frame_idx): frame.instances[0].numpy().tolist() for frame in labels}
        found[path.stem] = [labels.skeletons[0].node_names, frames]
    return found


def movement(folder):
    """The netCDF files as movement's own functions take them."""
    import xarray
    from movement.kinematics import compute_velocity

    found = {}
    for path in folder.glob("movement/*.nc"):
        poses = xarray.open_dataset(path)
        assert compute_velocity(poses.position).shape == poses.position.shape
        assert poses.source_software == "deadlift"
        values = poses.position.sel(individuals="lifter").transpose("time", "keypoints", "space").values
        found[path.stem] = [poses.time.values.tolist(), poses.keypoints.values.tolist(), values.tolist()]
    return found


def movement_of_sleap(folder):
    """The SLEAP files as movement reads them: the number of landmarks and their names."""
    from movement.io import load_poses

    path = sorted(folder.glob("sleap/*.slp"))[0]
    return load_poses.from_sleap_file(path, fps=25).keypoints.values.tolist()


if __name__ == "__main__":
    os.environ["FIFTYONE_DO_NOT_TRACK"] = "true"
    # A script's folder comes first on the path, with modules of ours that are named as others are.
    sys.path.pop(0)
    print("\n" + json.dumps(globals()[sys.argv[1]](Path(sys.argv[2]))))
