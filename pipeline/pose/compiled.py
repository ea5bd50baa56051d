"""The networks of the mediapipe wheel on OpenVINO, and what was compiled of them kept for the next start.

Compiling takes ten times as long as reading what was compiled before. The only user of openvino.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import PoseModelError
from pipeline.files import written_aside

if TYPE_CHECKING:
    from openvino import InferRequest

# How networks are compiled. One thread: several videos are worked on beside each other, and threads of one network wait
# for each other.
SETTINGS = {
    "INFERENCE_NUM_THREADS": 1,
    "NUM_STREAMS": 1,
    "PERFORMANCE_HINT": "LATENCY",
    "ENABLE_CPU_PINNING": False,
    "INFERENCE_PRECISION_HINT": "f32",  # some processors would round to sixteen bits
}
# Raised when `prepared` makes something else of a network: what was kept is then compiled again.
_FORMAT = 1
_DIGEST_BYTES = 32


@dataclass(frozen=True)
class Network:
    """A network of the mediapipe wheel, some of whose outputs are wanted.

    It is given bytes, and computes with (byte - mean) / scale. name: of what is kept of it, where one file is compiled
    with several choices of outputs; "" for that of the file.
    """

    file: str
    outputs: tuple[int, ...]
    mean: float
    scale: float
    name: str = ""


def loaded(network: Network, kept_in: Path | None = None) -> InferRequest:
    """A network that is ready to run.

    Args:
        network: which one.
        kept_in: a folder of this user and machine where compiled networks are kept; it is made. None for nowhere. What
            cannot be read there is compiled again, and what cannot be written is not kept.

    Raises:
        PoseModelError: there is no such network, or it cannot be compiled.
    """
    path = _package() / network.file
    try:
        openvino = _openvino()
        core = openvino.Core()
        content = path.read_bytes()
        name = f"{network.name or path.stem}-{_key(openvino, core, network, content)}.blob"
        kept = None if kept_in is None else kept_in / name
        compiled = None if kept is None else _kept(core, kept)
        if compiled is None:
            compiled = _compiled(openvino, core, network, path)
            if kept is not None:
                _keep(compiled.export_model().getvalue(), kept)
        return compiled.create_infer_request()
    except (ImportError, OSError, RuntimeError) as error:
        raise PoseModelError(
            f"{path}: OpenVINO cannot run the pose network ({error}). Install mediapipe 0.10.21 and openvino again, or "
            "set POSE_ENGINE=mediapipe."
        ) from error


def prepared(openvino: Any, core: Any, network: Network, path: Path) -> Any:
    """The network of a file as it is compiled: with the outputs that are wanted, and fed with bytes."""
    model = core.read_model(path)
    model = openvino.Model([model.outputs[index] for index in network.outputs], model.get_parameters(), "pose")
    steps = openvino.preprocess.PrePostProcessor(model)
    steps.input().tensor().set_element_type(openvino.Type.u8)
    steps.input().preprocess().convert_element_type(openvino.Type.f32).mean(network.mean).scale(network.scale)
    return steps.build()


def _compiled(openvino: Any, core: Any, network: Network, path: Path) -> Any:
    return core.compile_model(prepared(openvino, core, network, path), "CPU", SETTINGS)


def _key(openvino: Any, core: Any, network: Network, content: bytes) -> str:
    """Sixteen hex digits of whatever compiled networks depend on."""
    parts = (
        _FORMAT,
        openvino.get_version(),
        core.get_property("CPU", "FULL_DEVICE_NAME"),
        list(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")),
        SETTINGS,
        network.outputs,
        network.mean,
        network.scale,
        hashlib.sha256(content).hexdigest(),
    )
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _kept(core: Any, path: Path) -> Any:
    """What was compiled before, None where that is not there or damaged."""
    try:
        content = path.read_bytes()
        if hashlib.sha256(content[_DIGEST_BYTES:]).digest() == content[:_DIGEST_BYTES]:
            return core.import_model(content[_DIGEST_BYTES:], "CPU", SETTINGS)
    except (OSError, RuntimeError):
        pass
    return None


def _keep(compiled: bytes, path: Path) -> None:
    """Keep it beside its digest, in place of what other versions compiled of the same network."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_aside(path, mode=0o600) as aside:
            aside.write_bytes(hashlib.sha256(compiled).digest() + compiled)
        for other in path.parent.glob(f"{path.stem.rpartition('-')[0]}-*{path.suffix}"):
            if other != path:
                other.unlink(missing_ok=True)


def _package() -> Path:
    """The folder of the mediapipe package. Importing it would load much that is not needed here."""
    spec = importlib.util.find_spec("mediapipe")
    if spec is None or not spec.submodule_search_locations:
        raise PoseModelError("The pose networks are in the mediapipe package, which is not installed.")
    return Path(spec.submodule_search_locations[0])


def _openvino() -> Any:
    """The library without its converter of models, whose import tells Intel's servers that it was imported."""
    converter = "openvino.tools.ovc"
    if "openvino" not in sys.modules and converter not in sys.modules:
        sys.modules[converter] = None  # type: ignore[assignment]  # how Python is told that a module cannot be imported
        try:
            import openvino
        finally:
            del sys.modules[converter]
    else:
        import openvino
    return openvino
