"""The files of a deployment agree with the command line, with each other and with what is in the repository."""

import fnmatch
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml  # type: ignore[import-untyped]
from conftest import ROOT

from firstlight.cli import app

UNIT = ROOT / "deploy" / "firstlight.service"
SERVE_PORT = "8321"


def parsed(arguments: Sequence[str]) -> dict[str, Any]:
    """The options of a command, read as the command line reads them; a wrong one raises."""
    commands: Any = typer.main.get_command(app)
    name, *rest = arguments
    return dict(commands.commands[name].make_context(name, list(rest)).params)


def instructions(text: str) -> list[tuple[str, str]]:
    """(instruction, the rest of it) of a Dockerfile, comments left out and continued lines joined."""
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    joined = re.sub(r"\\\n\s*", " ", lines)
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line.strip())]


@pytest.fixture(scope="module")
def dockerfile() -> list[tuple[str, str]]:
    return instructions((ROOT / "Dockerfile").read_text())


def last_stage(dockerfile: list[tuple[str, str]]) -> dict[str, str]:
    start = max(place for place, (word, _) in enumerate(dockerfile) if word == "FROM")
    return dict(dockerfile[start:])


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    read = yaml.safe_load((ROOT / "compose.yaml").read_text())
    assert isinstance(read, dict)
    return read


@pytest.fixture(scope="module")
def unit() -> dict[str, list[str]]:
    """What the service says, each name with all its values."""
    said: dict[str, list[str]] = {}
    for line in UNIT.read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            said.setdefault(name, []).append(value)
    return said


def test_the_image_serves_as_nobody_in_particular(dockerfile: list[tuple[str, str]]) -> None:
    last = last_stage(dockerfile)
    assert last["USER"].isdecimal() and int(last["USER"]) > 0
    assert last["EXPOSE"] == SERVE_PORT
    command = [*json.loads(last["ENTRYPOINT"]), *json.loads(last["CMD"])]
    assert command[0] == "firstlight"
    options = parsed(command[1:])
    assert (options["host"], str(options["port"])) == ("0.0.0.0", SERVE_PORT)
    assert Path(options["store"]).parent == Path(json.loads(last["VOLUME"])[0]) == Path(last["WORKDIR"])


def test_the_image_asks_whether_it_is_ready(dockerfile: list[tuple[str, str]]) -> None:
    _, _, check = last_stage(dockerfile)["HEALTHCHECK"].partition(" CMD ")
    program, flag, code = json.loads(check)
    assert (program, flag) == ("python", "-c") and f"127.0.0.1:{SERVE_PORT}/readyz" in code
    compile(code, "HEALTHCHECK", "exec")
    done = subprocess.run([sys.executable, "-c", code.replace(SERVE_PORT, "9")], capture_output=True)
    assert done.returncode == 1, "nobody is there, and the check does not say so"


def test_pytorch_is_installed_first_and_exactly(dockerfile: list[tuple[str, str]]) -> None:
    installs = [rest for word, rest in dockerfile if word == "RUN" and "pip install" in rest]
    assert "grep '^torch=='" in installs[0] and all("-c constraints.txt" in each for each in installs)
    assert "[serve,postgres]" in installs[1]
    pin = subprocess.run(["grep", "^torch==", "constraints.txt"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert len(pin.stdout.splitlines()) == 1


def test_what_the_image_copies_is_there_and_not_ignored(dockerfile: list[tuple[str, str]]) -> None:
    sources = [
        name for word, rest in dockerfile if word == "COPY" and "--from" not in rest for name in shlex.split(rest)[:-1]
    ]
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert sorted(sources) == sorted(kept)
    assert [name for name in sources if not (ROOT / name).exists()] == []
    assert not any(fnmatch.fnmatch(name, "*.env*") or name.startswith(".") for name in kept)


def test_the_services_of_compose(compose: dict[str, Any]) -> None:
    server, database = compose["services"]["server"], compose["services"]["database"]
    options = parsed(server["command"])
    assert options["host"] == "0.0.0.0" and options["store"].startswith("postgresql+psycopg://firstlight@database/")
    assert server["depends_on"] == {"database": {"condition": "service_healthy"}}
    assert database["healthcheck"]["test"][:2] == ["CMD", "pg_isready"]
    assert server["cap_drop"] == ["ALL"] and server["read_only"] is True
    assert all(port.startswith("127.0.0.1:") and port.endswith(f":{SERVE_PORT}") for port in server["ports"])
    assert "ports" not in database
    named = {mount.partition(":")[0] for mount in database["volumes"]}
    assert named == set(compose["volumes"])


def test_compose_has_no_password_of_its_own(compose: dict[str, Any]) -> None:
    secrets = [
        value
        for service in compose["services"].values()
        for name, value in service["environment"].items()
        if "PASSWORD" in name
    ]
    assert len(secrets) == 2 and all(re.fullmatch(r"\$\{POSTGRES_PASSWORD:\?[^}]+\}", value) for value in secrets)
    assert not re.search(r"://[^@\s]*:[^@\s]*@", (ROOT / "compose.yaml").read_text())


def test_the_service_starts_the_server(unit: dict[str, list[str]]) -> None:
    variables = dict(each.split("=", 1) for each in unit["Environment"])
    command = re.sub(r"\$\{(\w+)\}", lambda match: variables[match[1]], unit["ExecStart"][0])
    program, *arguments = shlex.split(command)
    options = parsed(arguments)
    assert program.endswith("/bin/firstlight") and str(options["port"]) == SERVE_PORT
    assert options["host"] == "127.0.0.1"
    assert Path(options["store"]).parent == Path("/var/lib") / unit["StateDirectory"][0]


def test_the_service_may_do_little(unit: dict[str, list[str]]) -> None:
    assert unit["DynamicUser"] == ["yes"] and unit["ProtectSystem"] == ["strict"] and unit["NoNewPrivileges"] == ["yes"]
    assert unit["CapabilityBoundingSet"] == [""] and "User" not in unit


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_understands_the_service(tmp_path: Path) -> None:
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace("/opt/firstlight/bin/firstlight", sys.executable))
    done = subprocess.run(["systemd-analyze", "verify", str(copy)], capture_output=True, text=True)
    assert done.returncode == 0 and "firstlight.service" not in done.stderr, done.stderr
    copy.write_text(copy.read_text().replace("DynamicUser", "DynamicUsr"))
    done = subprocess.run(["systemd-analyze", "verify", str(copy)], capture_output=True, text=True)
    assert "DynamicUsr" in done.stderr


def test_make_brings_a_browser_and_asks_for_no_more_rights() -> None:
    text = (ROOT / "Makefile").read_text()
    assert "apt-get install -qq -y chromium" in text and "sudo" not in text
