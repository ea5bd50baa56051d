"""The container files, as far as they can be checked without a container engine: paths, ports, names, networks.

Not checked, because it takes an engine: that the image builds, and that the two containers talk to each other.
"""

from __future__ import annotations

import ipaddress
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from flask import Flask
from places import ROOT

from backend.cli import COMMANDS
from backend.local_labelstudio.install import VERSION
from backend.local_labelstudio.server import BANNED_NETWORKS
from backend.settings import PASSWORD_FILE, Settings
from backend.web.routes import bp

DOCKER = ROOT / "docker"
SETTINGS = {name.upper() for name in Settings.model_fields}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text())
    return loaded


@pytest.fixture(scope="module")
def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions with their arguments, continuation lines joined and comments left out."""
    text = re.sub(r"^\s*#.*\n", "", (DOCKER / "Dockerfile").read_text(), flags=re.MULTILINE)
    joined = re.sub(r"\\\n\s*", " ", text)
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in joined.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def image_environment(instructions: list[tuple[str, str]]) -> dict[str, str]:
    (pairs,) = [argument for name, argument in instructions if name == "ENV"]
    return dict(pair.split("=", 1) for pair in shlex.split(pairs))


def of_version_4(networks: list[str]) -> list[ipaddress.IPv4Network]:
    parsed = [ipaddress.ip_network(network) for network in networks]  # as Label Studio does: a space would raise
    return [network for network in parsed if isinstance(network, ipaddress.IPv4Network)]


def of_version_6(networks: list[str]) -> list[ipaddress.IPv6Network]:
    return [network for network in map(ipaddress.ip_network, networks) if isinstance(network, ipaddress.IPv6Network)]


def collapsed(networks: Any) -> set[Any]:
    return set(ipaddress.collapse_addresses(networks))


def copied(instructions: list[tuple[str, str]]) -> list[str]:
    return [source for name, argument in instructions if name == "COPY" for source in argument.split()[:-1]]


def test_copied_paths_exist(instructions: list[tuple[str, str]]) -> None:
    assert [source for source in copied(instructions) if not (ROOT / source).exists()] == []


def test_copied_paths_are_in_the_build_context(instructions: list[tuple[str, str]]) -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    assert {f"!{source}" for source in copied(instructions)} == {line for line in lines if line.startswith("!")}


def test_everything_that_the_distribution_is_built_from_is_copied(instructions: list[tuple[str, str]]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = {name.rstrip("*") for name in project["tool"]["setuptools"]["packages"]["find"]["include"]}
    named = {
        "pyproject.toml",
        "labeling_config.xml",
        project["project"]["readme"],
        *project["project"]["license-files"],
        *packages,
    }
    assert named <= set(copied(instructions))


def test_python_of_the_image_is_a_supported_one(instructions: list[tuple[str, str]]) -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    found = re.match(r"python:3\.(\d+)-slim", dict(instructions)["FROM"])
    lowest, beyond = (int(minor) for minor in re.findall(r"3\.(\d+)", wanted))
    assert found is not None
    assert lowest <= int(found[1]) < beyond


def test_torch_of_the_constraints_is_in_both_indexes() -> None:
    (line,) = re.findall(r"^torch==.*$", (ROOT / "constraints.txt").read_text(), flags=re.MULTILINE)
    assert "+" not in line  # a local version such as 2.13.0+cpu is only in PyTorch's own index


def test_image_does_not_run_as_root(instructions: list[tuple[str, str]]) -> None:
    assert [argument for name, argument in instructions if name == "USER"] == ["deadlift"]
    (made,) = [argument for name, argument in instructions if name == "RUN" and "useradd" in argument]
    assert "useradd --create-home --uid 1000 deadlift" in made


def test_image_environment_is_of_settings(image_environment: dict[str, str]) -> None:
    assert set(image_environment) - {"PYTHONUNBUFFERED"} <= SETTINGS


def test_image_listens_on_every_address(image_environment: dict[str, str]) -> None:
    assert image_environment["BACKEND_HOST"] == "0.0.0.0"


def test_image_exposes_the_port_that_it_listens_on(
    instructions: list[tuple[str, str]], image_environment: dict[str, str]
) -> None:
    assert dict(instructions)["EXPOSE"] == image_environment["BACKEND_PORT"]


def test_image_keeps_data_in_its_volume(instructions: list[tuple[str, str]], image_environment: dict[str, str]) -> None:
    assert dict(instructions)["VOLUME"] == image_environment["DATA_DIR"]


def test_image_starts_a_command_that_exists(instructions: list[tuple[str, str]]) -> None:
    shell, script = yaml.safe_load(dict(instructions)["CMD"])
    started = (DOCKER / "serve").read_text().splitlines()[-1]
    assert (shell, f"docker/serve {script}") in [("sh", argument) for name, argument in instructions if name == "COPY"]
    assert re.fullmatch(r"exec deadlift (\w+)", started)[1] in COMMANDS  # type: ignore[index]


def passwords(data_dir: Path, given: str = "") -> list[str]:
    """What two starts of the image's script make of the settings, and a command that is run beside the server."""
    bin_dir = data_dir / "bin"
    bin_dir.mkdir()
    shown = "from backend.settings import Settings; print(Settings(_env_file=None).basic_auth_pass.get_secret_value())"
    (bin_dir / "deadlift").write_text(f"#!{sys.executable}\n{shown}\n")
    (bin_dir / "deadlift").chmod(0o755)
    (bin_dir / "python").symlink_to(sys.executable)
    container = {"DATA_DIR": str(data_dir), "BASIC_AUTH_USER": "deadlift", "BASIC_AUTH_PASS": given}
    env = {"PATH": f"{bin_dir}:/usr/bin:/bin", "PYTHONPATH": str(ROOT), **container}
    commands = [["sh", DOCKER / "serve"], ["sh", DOCKER / "serve"], [bin_dir / "deadlift", "doctor"]]
    done = [subprocess.run(one, env=env, capture_output=True, text=True, check=True) for one in commands]
    return [one.stdout.splitlines()[-1] for one in done]


def test_image_makes_a_password_once_that_every_command_knows(tmp_path: Path) -> None:
    first, second, beside = passwords(tmp_path)
    assert first == second == beside
    assert len(first) >= 32
    assert (tmp_path / "basic-auth-pass").stat().st_mode & 0o077 == 0


def test_image_takes_the_password_that_it_is_given(tmp_path: Path) -> None:
    assert passwords(tmp_path, "given") == ["given"] * 3
    assert not (tmp_path / "basic-auth-pass").exists()


def test_image_keeps_the_password_where_the_settings_look_for_it() -> None:
    assert f'file="$DATA_DIR/{PASSWORD_FILE}"' in (DOCKER / "serve").read_text()


def test_backend_is_known_by_its_service_name(compose: dict[str, Any]) -> None:
    given = compose["services"]["backend"]["environment"]["ALLOWED_HOSTS"].replace("${ALLOWED_HOSTS:-}", "")
    assert Settings(_env_file=None, allowed_hosts=given).allowed_hosts == ("backend",)


def test_health_check_asks_a_route_of_ours(instructions: list[tuple[str, str]]) -> None:
    (argument,) = [argument for name, argument in instructions if name == "HEALTHCHECK"]
    found = re.search(r"BACKEND_PORT'\]}(/\w+)", argument)
    server = Flask("test")
    server.register_blueprint(bp)
    assert found is not None
    assert found[1] in {rule.rule for rule in server.url_map.iter_rules() if "GET" in (rule.methods or ())}


def test_label_studio_is_the_tested_version(compose: dict[str, Any]) -> None:
    assert compose["services"]["label-studio"]["image"] == f"heartexlabs/label-studio:{VERSION}"


def test_build_paths_exist(compose: dict[str, Any]) -> None:
    build = compose["services"]["backend"]["build"]
    assert (DOCKER / build["context"]).resolve() == ROOT.resolve()
    assert (DOCKER / build["context"] / build["dockerfile"]).is_file()


def test_build_arguments_are_known_to_the_image(compose: dict[str, Any], instructions: list[tuple[str, str]]) -> None:
    known = {argument.split("=")[0] for name, argument in instructions if name == "ARG"}
    assert set(compose["services"]["backend"]["build"]["args"]) == known


def test_backend_variables_are_settings(compose: dict[str, Any]) -> None:
    assert set(compose["services"]["backend"]["environment"]) <= SETTINGS


def test_variables_are_in_the_example_of_env() -> None:
    used = set(re.findall(r"\$\{(\w+)", (DOCKER / "compose.yaml").read_text()))
    explained = set(re.findall(r"^#?([A-Z_]+)=", (DOCKER / "env.example").read_text(), flags=re.MULTILINE))
    assert used == explained


def test_backend_reaches_label_studio_under_its_service_name(compose: dict[str, Any]) -> None:
    url = Settings(label_studio_url=compose["services"]["backend"]["environment"]["LABEL_STUDIO_URL"]).label_studio_url
    name, port = url.removeprefix("http://").split(":")
    assert name in compose["services"]
    assert compose["services"][name]["ports"][0].endswith(f":{port}")


def test_backend_publishes_the_port_of_the_image(compose: dict[str, Any], image_environment: dict[str, str]) -> None:
    (port,) = compose["services"]["backend"]["ports"]
    assert port == f"127.0.0.1:{image_environment['BACKEND_PORT']}:{image_environment['BACKEND_PORT']}"


def test_backend_volume_is_where_the_image_keeps_data(
    compose: dict[str, Any], image_environment: dict[str, str]
) -> None:
    (volume,) = compose["services"]["backend"]["volumes"]
    name, folder = volume.split(":")
    assert folder == image_environment["DATA_DIR"]
    assert name in compose["volumes"]


def test_backend_writes_into_its_volume_and_memory_alone(compose: dict[str, Any]) -> None:
    backend = compose["services"]["backend"]
    assert backend["read_only"] is True
    assert backend["cap_drop"] == ["ALL"]
    assert backend["security_opt"] == ["no-new-privileges:true"]
    assert {place.split(":")[0] for place in backend["tmpfs"]} == {"/tmp", "/home/deadlift"}
    assert not {"cap_add", "privileged", "user"} & set(backend)


def test_image_with_the_cpu_build_takes_files_of_known_hashes_alone(instructions: list[tuple[str, str]]) -> None:
    assert ("COPY", "docker/requirements.txt /tmp/requirements.txt") in instructions
    (installed,) = [argument for name, argument in instructions if name == "RUN" and "TORCH_INDEX_URL" in argument]
    found = re.search(r"then (.*?) else ", installed)
    assert found is not None
    packages, ours = [shlex.split(one) for one in found[1].rstrip("; ").split(" && ")]
    assert packages[:3] == ["pip", "install", "--require-hashes"]
    assert packages[-2:] == ["--requirement", "/tmp/requirements.txt"]
    assert ours == ["pip", "install", "--no-deps", "--no-build-isolation", "."]


def test_hashed_requirements_are_those_of_the_constraints() -> None:
    pinned = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), flags=re.MULTILINE))
    text = (DOCKER / "requirements.txt").read_text()
    hashed = re.findall(r"^([\w.-]+)(?:\[\w+\])?==(\S+) \\\n    --hash=sha256:[0-9a-f]{64}$", text, flags=re.MULTILINE)
    assert len(hashed) == len(re.findall(r"^[^# ]", text, flags=re.MULTILINE))
    assert {(name, version.split("+")[0]) for name, version in hashed if name != "setuptools"} <= set(pinned.items())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {re.match(r"[\w-]+", one)[0].lower() for one in project["dependencies"]}  # type: ignore[index]
    assert wanted <= {name.lower().replace("_", "-") for name, _ in hashed}


def test_backend_waits_for_a_service_with_a_health_check(compose: dict[str, Any]) -> None:
    (name,) = compose["services"]["backend"]["depends_on"]
    assert "/health" in compose["services"][name]["healthcheck"]["test"][-1]


def test_label_studio_refuses_every_private_network_but_the_shared_one(compose: dict[str, Any]) -> None:
    environment = compose["services"]["label-studio"]["environment"]
    listed = environment["LABEL_STUDIO_USER_ADDITIONAL_BANNED_SUBNETS"].split(",")
    shared = compose["networks"]["deadlift"]["ipam"]["config"][0]["subnet"]
    assert not any(ipaddress.IPv4Network(shared).overlaps(network) for network in of_version_4(listed))
    wanted = [*BANNED_NETWORKS, "127.0.0.0/8", "::1/128"]
    assert collapsed(of_version_4([*listed, shared])) == collapsed(of_version_4(wanted))
    assert collapsed(of_version_6(listed)) == collapsed(of_version_6(wanted))


def test_both_services_are_on_the_shared_network(compose: dict[str, Any]) -> None:
    assert [service["networks"] for service in compose["services"].values()] == [["deadlift"], ["deadlift"]]


def test_key_of_the_backend_is_the_token_of_the_first_user(compose: dict[str, Any]) -> None:
    label_studio = compose["services"]["label-studio"]["environment"]
    backend = compose["services"]["backend"]["environment"]
    assert label_studio["LABEL_STUDIO_USER_TOKEN"] == backend["LABEL_STUDIO_API_KEY"]
    assert label_studio["LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN"] == "true"
