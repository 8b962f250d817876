"""The doctor finds what is wrong, says what to do, and leaves everything as it was."""

import json
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from commands import run

from firstlight import doctor
from firstlight.doctor import Finding, examine, model_folders, packages, port_free, python, stored, threads
from firstlight.store import Store


def states(found: list[Finding]) -> dict[str, str]:
    return {finding.about: finding.state for finding in found}


@pytest.fixture(scope="module")
def port() -> int:
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return int(tried.getsockname()[1])


@contextmanager
def listening(answers: dict[str, int]) -> Iterator[int]:
    """A server that gives each path its status, with what firstlight says at /version."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'{"version": "9.9"}'
            self.send_response(answers.get(self.path, 404))
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_all_is_well(world: Path, tmp_path: Path, port: int) -> None:
    url = str(tmp_path / "shop.db")
    Store.open(url).close()
    done = run("doctor", world / "model", "--store", url, "--port", port)
    assert done.exit_code == 0, done.output
    assert "Nothing is wrong." in done.stdout and "item-knn, 150 items" in done.stdout


def test_json_says_the_same(world: Path, port: int) -> None:
    done = run("doctor", world / "model", "--port", port, "--json")
    told = json.loads(done.stdout)
    assert done.exit_code == 0 and told["ok"] is True
    assert {"Python", "packages", "threads", "model model", "port"} <= {each["about"] for each in told["findings"]}
    done = run("doctor", world / "market", "--port", port, "--json")
    assert done.exit_code == 1 and json.loads(done.stdout)["ok"] is False


def test_an_old_python() -> None:
    assert states(python((3, 10, 4))) == {"Python": "wrong"}
    assert states(python((3, 12, 0))) == {"Python": "ok"}


def test_packages_that_are_missing_or_old() -> None:
    wanted = [
        "polars>=2",
        "numpy>=99.1",
        "no-such-a>=1",
        "no-such-b; extra == 'serve'",
        "no-such-c>=1; extra == 'test'",
    ]
    found = packages(wanted)
    assert states(found) == {"packages": "ok", "numpy": "wrong", "no-such-a": "wrong", "no-such-b": "note"}
    assert "polars" in found[0].says
    by_name = {finding.about: finding for finding in found}
    assert by_name["numpy"].remedy == "pip install 'numpy>=99.1'"
    assert by_name["no-such-b"].remedy == "pip install 'firstlight[serve]'"


def test_every_requirement_of_the_project_is_understood() -> None:
    wanted = ["uvicorn[standard]>=0.30; extra == 'serve'", 'psycopg[binary]>=3.1; extra == "postgres"', "torch>=2.4"]
    read = [doctor.REQUIREMENT.match(each) for each in wanted]
    assert [match and match.group("name", "least", "extra") for match in read] == [
        ("uvicorn", "0.30", "serve"),
        ("psycopg", "3.1", "postgres"),
        ("torch", "2.4", None),
    ]


@pytest.mark.parametrize(
    ("cores", "asked", "state"),
    [(2, "2", "ok"), (2, "8", "wrong"), (0.5, "1", "ok"), (2, "many", "wrong"), (2, "0", "wrong")],
)
def test_threads(cores: float, asked: str, state: str) -> None:
    assert states(threads(cores, asked)) == {"threads": state}


def test_a_share_of_a_core_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quota = tmp_path / "cpu.max"
    quota.write_text("50000 100000\n")
    monkeypatch.setattr(doctor, "CPU_QUOTA", quota)
    assert "0.5 cores" in threads(asked="")[0].says and threads(asked="")[0].state == "note"
    quota.write_text("max 100000\n")
    assert threads(asked="")[0].state == "ok"


def test_a_folder_of_models(world: Path, tmp_path: Path) -> None:
    for name in ("good", "cut"):
        shutil.copytree(world / "model", tmp_path / name)
    tensors = tmp_path / "cut" / "model.safetensors"
    tensors.write_bytes(tensors.read_bytes()[:-5])
    assert states(model_folders(tmp_path)) == {"model good": "ok", "model cut": "wrong"}
    assert "bytes instead of" in model_folders(tmp_path)[0].says


def test_no_model(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "missing"):
        (found,) = model_folders(place)
        assert found.state == "wrong" and "firstlight train" in found.remedy


def test_a_store_is_not_made(tmp_path: Path) -> None:
    (found,) = stored(str(tmp_path / "new.db"))
    assert found.state == "note" and list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    (found,) = stored(str(tmp_path / "file" / "new.db"))
    assert found.state == "wrong" and found.remedy


def test_what_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "photo.db").write_bytes(b"\x89PNG" * 2_000)
    found = examine(store=str(tmp_path / "photo.db"))
    assert states(found)["store"] == "wrong"


def test_a_database_that_is_away_and_its_password(port: int) -> None:
    done = run("doctor", "--store", f"postgresql+psycopg://ann:sesame@127.0.0.1:{port}/shop", "--port", port)
    assert done.exit_code == 1 and "✗  store" in done.stdout
    assert "sesame" not in done.output


def test_without_keys_only_this_machine_is_served(tmp_path: Path) -> None:
    url = str(tmp_path / "shop.db")
    with closing(Store.open(url)) as store:
        assert states(stored(url, "127.0.0.1")) == {"store": "ok"}
        assert "firstlight keys add" in stored(url, "0.0.0.0")[0].remedy
        store.add_key("shop", ["serve"])
        assert states(stored(url, "0.0.0.0")) == {"store": "ok"}


def test_a_port_that_is_taken() -> None:
    with listening({}) as port:
        (found,) = port_free("127.0.0.1", port)
        assert found.state == "wrong" and "another port" in found.remedy
    assert states(port_free("127.0.0.1", port)) == {"port": "ok"}
    assert states(port_free("no.such.host.invalid", port)) == {"port": "wrong"}


@pytest.mark.parametrize(("ready", "state"), [(200, "ok"), (503, "wrong")])
def test_a_firstlight_that_serves_already(ready: int, state: str) -> None:
    with listening({"/version": 200, "/readyz": ready}) as port:
        (found,) = port_free("127.0.0.1", port)
        assert found.state == state and "firstlight 9.9" in found.says


def test_a_check_that_fails_is_a_finding(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    def broken() -> list[Finding]:
        raise ImportError("libthing.so is missing")

    monkeypatch.setattr(doctor, "packages", broken)
    found = examine(port=port)
    assert states(found) == {"Python": "ok", "packages": "wrong", "threads": "ok", "port": "ok"}
    assert "libthing.so" in found[1].says
