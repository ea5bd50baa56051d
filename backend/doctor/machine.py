"""The part of `deadlift doctor` about this machine: libraries, models, folders and the backend's port."""

from __future__ import annotations

import ipaddress
import shutil
import socket
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from importlib import metadata
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from backend.labelstudio.addresses import is_this_machine
from backend.labelstudio.outgoing import is_public, resolved
from backend.settings import Settings
from backend.storage.folder_locks import is_served
from pipeline.errors import PipelineError

DISTRIBUTION = "deadlift-ml-backend"
SHOWN = ("mediapipe", "openvino", "opencv-python", "numpy", "torch")
LEAST_FREE_MB = 1024
_MOST_NAMED = 5
PATIENCE_S = 5.0
HEALTH_TIMEOUT_S = 1.0
"""How long Label Studio waits for /health before it calls a backend disconnected (ML_TIMEOUT_HEALTH)."""

Status = Literal["ok", "note", "problem"]


@dataclass(frozen=True)
class Check:
    """One finding: a note is worth knowing, a problem keeps something from working and has a remedy."""

    subject: str
    status: Status
    found: str
    remedy: str = ""


def python() -> Check:
    found = ".".join(map(str, sys.version_info[:3]))
    try:
        wanted = SpecifierSet(metadata.metadata(DISTRIBUTION)["Requires-Python"])
    except metadata.PackageNotFoundError:
        return Check("Python", "problem", found, f"{DISTRIBUTION} is not installed: pip install it, or make install.")
    if found not in wanted:
        return Check("Python", "problem", found, f"Make the environment anew with a Python {wanted}.")
    return Check("Python", "ok", found)


def libraries() -> Check:
    """Whether every library is there in a version that the project asks for, and OpenCV only once."""
    try:
        required = [Requirement(text) for text in metadata.requires(DISTRIBUTION) or []]
    except metadata.PackageNotFoundError:
        required = []
    wrong = []
    for requirement in required:
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        version = _version(requirement.name)
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            wrong.append(f"{requirement.name} is {version or 'missing'}, not {requirement.specifier}")
    # Both wheels write the same folder cv2: the one installed last wins, but only file by file.
    opencv = {version for name in ("opencv-python", "opencv-contrib-python") if (version := _version(name))}
    if len(opencv) > 1:
        wrong.append(f"two versions of OpenCV in one folder: {', '.join(sorted(opencv))}")
    if wrong:
        return Check("Libraries", "problem", "; ".join(wrong), "pip install --constraint constraints.txt again.")
    return Check("Libraries", "ok", ", ".join(f"{name} {_version(name)}" for name in SHOWN))


def pose_model(settings: Settings) -> Check:
    """Run the pose model on a drawn lifter."""
    import numpy as np

    from pipeline.pose.estimator import open_estimator
    from pipeline.synthetic import LiftPlan
    from pipeline.synthetic.drawing import draw

    config = settings.pipeline_config().pose
    name = config.model or f"the model in mediapipe's wheel, run by {config.engine}"
    (picture,) = draw(LiftPlan(), np.array([0.5]))
    try:
        with open_estimator(config) as estimator:
            found = estimator.landmarks(picture, 0.0)
    except (PipelineError, ImportError, OSError) as error:
        return Check("Pose model", "problem", str(error), "Check POSE_MODEL and the libraries: docker/system_packages.")
    if found is None:
        return Check("Pose model", "problem", f"{name} finds no person in a drawn picture", "Unset POSE_MODEL.")
    return Check("Pose model", "ok", name)


def anomaly_model(settings: Settings) -> tuple[str, Check]:
    """The version of the model in use for projects without one of their own ("" where there is none), and what is to
    say about it."""
    from backend.models.detectors import cached_detector
    from backend.models.registry import BASE, Model, Registry
    from pipeline.anomaly.versions import parts_of

    try:
        version = cached_detector(settings.model_dir, settings.false_alarm_rate).version
    except PipelineError as error:
        return "", Check("Anomaly model", "problem", str(error), "Correct MODEL_DIR, or unset it for the base model.")
    registry = Registry(settings.models_dir, Model(parts_of(version)[0], settings.model_dir), settings.false_alarm_rate)
    found = f"{version} ({settings.model_dir or 'shipped'})"
    own = {project: name for project in registry.projects() if (name := registry.current_name(project)) != BASE}
    if own:
        said = ", ".join(f"project {project} uses {name}" for project, name in list(own.items())[:_MOST_NAMED])
        more = f" and {len(own) - _MOST_NAMED} more have one" if len(own) > _MOST_NAMED else ""
        found += f" where a project has none of its own: {said}{more}"
    return version, Check("Anomaly model", "ok", found)


def data_folder(folder: Path) -> Check:
    """Whether the backend can write where it keeps its data, and has room there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            free_mb = shutil.disk_usage(folder).free // 1024**2
    except OSError as error:
        return Check("Data folder", "problem", f"{folder}: {error.strerror}", "Make it writable, or set DATA_DIR.")
    if free_mb < LEAST_FREE_MB:
        return Check("Data folder", "note", f"{folder}: only {free_mb} MB free", "Make room, or set DATA_DIR.")
    return Check("Data folder", "ok", f"{folder}, {free_mb // 1024} GB free")


def exposure(settings: Settings) -> list[Check]:
    """Who may reach the backend beside this machine, and what goes over the network in clear."""
    found: list[Check] = []
    host = settings.backend_host
    if not is_this_machine(host):
        if not settings.basic_auth_pass.get_secret_value():
            what = f"listens on {host} without a password: whoever reaches its port can use it"
            found.append(Check("Exposure", "problem", what, "Set BASIC_AUTH_USER and BASIC_AUTH_PASS."))
        else:
            what = f"listens on {host}, with a password that crosses the network unencrypted"
            remedy = "Let only Label Studio's machine reach the port, or put a proxy with https before it."
            found.append(Check("Exposure", "note", what, remedy))
    there = urlsplit(settings.label_studio_url)
    if there.scheme == "http" and _is_public(there.hostname or ""):
        what = f"the token goes to {there.hostname} unencrypted, over the internet"
        found.append(Check("Exposure", "problem", what, "Set LABEL_STUDIO_URL to an https address."))
    return found or [Check("Exposure", "ok", "reached from this machine alone")]


def _is_public(host: str) -> bool:
    """Whether a name stands for an address of the internet; what cannot be looked up does not."""
    with suppress(OSError, UnicodeError, ValueError):
        return any(is_public(ipaddress.ip_address(address)) for address in resolved(host))
    return False


def cluster(settings: Settings) -> list[Check]:
    """Whether a given Dask scheduler answers, and has workers with the same Python and Dask."""
    if not settings.dask_scheduler:
        return [Check("Workers", "ok", f"{settings.workers} on this machine")]
    from distributed import Client

    where = settings.dask_scheduler
    try:
        with Client(where, timeout=PATIENCE_S / 2, set_as_default=False) as client:
            versions = client.get_versions()
    except (OSError, ValueError) as error:
        found = f"the scheduler {where} cannot be reached ({type(error).__name__})"
        return [Check("Cluster", "problem", found, "Start it, or correct DASK_SCHEDULER.")]
    except TypeError:  # Dask's way of saying that it has no certificates
        found = f"the scheduler {where} asks for TLS"
        return [Check("Cluster", "problem", found, "Set DASK_DISTRIBUTED__COMM__TLS__CA_FILE and those of the client.")]
    workers = versions["workers"]
    if not workers:
        return [Check("Cluster", "note", f"{where} has no workers", "Start some: docs/cluster.md.")]
    here = _running(versions["client"])
    others = sorted({_running(worker) for worker in workers.values()} - {here})
    if others:
        found = f"workers of {where} run {'; '.join(others)}, and this machine {here}"
        return [Check("Cluster", "problem", found, "Install the same versions everywhere.")]
    return [Check("Cluster", "ok", f"{len(workers)} workers of {where}, {here}")]


def _running(versions: dict[str, Any]) -> str:
    python = ".".join(versions["host"]["python"].split(".")[:2])
    return f"Python {python} with distributed {versions['packages']['distributed']}"


def port(settings: Settings, version: str) -> Check:
    """Whether our backend answers, or could start, on its port."""
    here = _own_host(settings)
    subject, url = f"Port {settings.backend_port}", f"http://{here}:{settings.backend_port}"
    serving, took_s = backend_at(url)
    if serving is not None:
        if took_s > HEALTH_TIMEOUT_S:
            found = f"our backend took {took_s:.1f} s to answer /health, and Label Studio waits {HEALTH_TIMEOUT_S:g} s"
            return Check(subject, "problem", found, "Give it fewer WORKERS, or the machine less to do.")
        if found := elsewhere(settings):
            remedy = "Set DATA_DIR to the folder that it named at its start, here and for every other command."
            return Check(subject, "problem", found, remedy)
        if version and serving != version:
            return Check(subject, "note", f"our backend answers with model {serving}", f"Restart it to get {version}.")
        return Check(subject, "ok", f"our backend answers with model {serving}")
    try:
        with socket.socket(socket.AF_INET6 if ":" in here else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((here, settings.backend_port))
    except OSError as error:
        remedy = "Stop what listens there, or set BACKEND_HOST or BACKEND_PORT."
        return Check(subject, "problem", f"cannot be used ({error.strerror}), and our backend does not answer", remedy)
    return Check(subject, "ok", "free; our backend is not running")


def elsewhere(settings: Settings) -> str:
    """That our backend on this machine's port works in another folder than DATA_DIR, in a sentence; "" where not."""
    if is_served(settings.data_dir) is not False:
        return ""
    health = _health(f"http://{_own_host(settings)}:{settings.backend_port}")[0]
    if not health.get("instance"):  # nobody, or the label-studio-ml runner, which holds no folder
        return ""
    return f"The server on port {settings.backend_port} works in another folder than DATA_DIR, {settings.data_dir}."


def _own_host(settings: Settings) -> str:
    """Where the backend is reached from its own machine."""
    return "127.0.0.1" if settings.backend_host in ("0.0.0.0", "::") else settings.backend_host


def backend_at(url: str) -> tuple[str | None, float]:
    """The model version of the deadlift backend at an address, None if there is none, and the seconds it took."""
    body, took_s = _health(url)
    return (str(body.get("model_version", "")) if body else None), took_s


def _health(url: str) -> tuple[dict[str, Any], float]:
    """What the deadlift backend at an address says of itself, {} if there is none, and the seconds it took."""
    try:
        # trust_env: a proxy of the environment may not know the way
        response = httpx.get(f"{url.rstrip('/')}/health", timeout=PATIENCE_S, trust_env=False)
        body = response.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        return {}, 0.0
    if not isinstance(body, dict) or body.get("model_class") != "DeadliftModel":
        return {}, 0.0
    return body, response.elapsed.total_seconds()


def refuses_host(url: str, settings: Settings) -> bool:
    """Whether our backend takes no requests that name the host of an address of its own: see ALLOWED_HOSTS.

    Asked at the address itself, and where nobody answers there from here, at the backend's port on this machine.
    """
    for asked in (url.rstrip("/"), f"http://{_own_host(settings)}:{settings.backend_port}"):
        with suppress(httpx.HTTPError, httpx.InvalidURL, ValueError):
            headers = {"Host": urlsplit(url).netloc.rpartition("@")[2]}
            # trust_env: a proxy of the environment may not know the way
            answer = httpx.get(f"{asked}/jobs", headers=headers, timeout=PATIENCE_S, trust_env=False)
            return answer.status_code == HTTPStatus.MISDIRECTED_REQUEST
    return False


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
