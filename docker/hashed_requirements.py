"""Exact versions with the SHA-256 of each file, from a report of pip: for `pip install --require-hashes -r FILE`.

    pip install --dry-run --ignore-installed --report report.json --constraint constraints.txt . setuptools
    python docker/hashed_requirements.py report.json > docker/requirements.txt

`make hashes` does both. The hashes are those of the files that pip chose for the Python and system that it ran on.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_HEAD = """\
# Every package that the server needs, with the SHA-256 of its file for CPython {python} on {system} {machine}, and
# PyTorch's CPU build. Made by `make hashes`; what it is for: docs/security.md.
"""


def requirements(report: dict[str, Any]) -> str:
    """The file's text. Raises ValueError for a package whose file has no SHA-256."""
    environment = report["environment"]
    lines = [
        _HEAD.format(
            python=environment["python_version"],
            system=environment["platform_system"],
            machine=environment["platform_machine"],
        )
    ]
    extras = _extras(report["install"])
    for package in sorted(report["install"], key=lambda one: str(one["metadata"]["name"]).lower()):
        download = package["download_info"]
        if "dir_info" in download:  # the project itself
            continue
        name, version = package["metadata"]["name"], package["metadata"]["version"]
        digest = download.get("archive_info", {}).get("hashes", {}).get("sha256")
        if not digest:
            raise ValueError(f"Expected a SHA-256 for {name} {version}, got none.")
        for extra in ("", *sorted(extras[canonicalize_name(name)])):
            lines.append(f"{name}{f'[{extra}]' * bool(extra)}=={version} \\\n    --hash=sha256:{digest}\n")
    return "".join(lines)


def _extras(packages: list[dict[str, Any]]) -> dict[str, set[str]]:
    """The extras of each package that others ask for: pip wants those pinned as well, beside the package."""
    found = defaultdict[str, set[str]](set)
    for package in packages:
        for text in package["metadata"].get("requires_dist", ()):
            wanted = Requirement(text)
            if wanted.extras and (wanted.marker is None or wanted.marker.evaluate({"extra": ""})):
                found[canonicalize_name(wanted.name)] |= wanted.extras
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", type=Path)
    print(requirements(json.loads(parser.parse_args().report.read_text())), end="")


if __name__ == "__main__":
    main()
