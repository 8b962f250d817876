"""The rules of the house that no linter knows: layers, size, docstrings, nothing that runs code from a file."""

import ast
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from itertools import chain
from pathlib import Path

import pytest
from conftest import ROOT

LAYERS = (
    "errors settings files manifest modelfile textlines reading columns times tables events catalogue twins datareport "
    "dataset datasets tasks encoders corpus budget cooccurrence meta models learners recipes scenarios "
    "ranking recommender explain explore evaluate adapting report store serve doctor "
    "progress quickstart cli"
).split()
"""From the bottom up. A module imports from its own layer and from those before it."""

Function = ast.FunctionDef | ast.AsyncFunctionDef
Documented = ast.ClassDef | Function
SOURCE = ROOT / "src"
SKIPPED = {".git", ".venv", ".hypothesis", ".mypy_cache", ".pytest_cache", ".ruff_cache", "__pycache__"}
FORBIDDEN_IMPORTS = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
FORBIDDEN_CALLS = {"eval", "exec", "__import__", "torch.load", "torch.save", "np.load", "numpy.load"}

# Written so that they do not match themselves.
REGISTRY = re.compile(r"py[p]i\.(org|python)|python[h]osted|download\.py[t]orch|anaconda\.(or[g]|com)|index[-_]ur[l]")
MACHINE = re.compile(r"(?<![\w.~)}$*])/(work|root|home|Users)/\w")


class Module:
    """One file of the package: its dotted name, its syntax tree, and the modules of the package it imports."""

    def __init__(self, path: Path, source: Path) -> None:
        parts = path.relative_to(source).with_suffix("").parts
        self.path = path
        self.name = ".".join(parts).removesuffix(".__init__")
        self.tree = ast.parse(path.read_text(encoding="utf-8"))

    def imported(self, names: set[str]) -> set[str]:
        """Which of ``names`` are imported anywhere in the file, also late or for types only."""
        found = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                full = {f"{node.module}.{alias.name}" for alias in node.names}
                found |= {name if name in names else str(node.module) for name in full}
        return found & names


def modules(source: Path = SOURCE) -> list[Module]:
    return [Module(path, source) for path in sorted(source.rglob("*.py"))]


def layer(name: str) -> str:
    """The second part of a dotted name; empty for the package itself."""
    return name.partition(".")[2].partition(".")[0]


def height(name: str) -> int:
    """The layer's place in LAYERS; the package itself stands above them all."""
    return LAYERS.index(layer(name)) if layer(name) in LAYERS else len(LAYERS)


def layer_faults(found: list[Module]) -> list[str]:
    names = {module.name for module in found}
    faults = []
    for module in found:
        if layer(module.name) not in ["", *LAYERS]:
            faults.append(f"{module.name}: add the layer {layer(module.name)!r} to LAYERS in tests/test_house.py")
        above = [name for name in module.imported(names) if height(name) > height(module.name)]
        faults += [f"{module.name} imports {name}, which stands above it" for name in sorted(above)]
    return faults


def test_imports_only_go_downward() -> None:
    assert layer_faults(modules()) == []


def test_imports_have_no_cycle() -> None:
    found = modules()
    names = {module.name for module in found}
    try:
        TopologicalSorter({module.name: module.imported(names) for module in found}).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("from firstlight.cli import main", "imports firstlight.cli"),
        ("def late():\n    import firstlight.report", "imports firstlight.report"),
        ("from firstlight import cli", "imports firstlight.cli"),
        ("from firstlight import Recommender", "imports firstlight,"),
        ("from firstlight import errors", ""),
    ],
)
def test_an_upward_import_is_noticed(tmp_path: Path, text: str, fault: str) -> None:
    package = tmp_path / "firstlight"
    package.mkdir()
    for name in ("__init__", "errors", "cli", "report"):
        (package / f"{name}.py").touch()
    (package / "tasks.py").write_text(text)
    faults = layer_faults(modules(tmp_path))
    assert [fault in line for line in faults] == ([True] if fault else [])


def test_an_unknown_layer_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "firstlight").mkdir()
    (tmp_path / "firstlight" / "novelty.py").touch()
    assert "add the layer 'novelty'" in layer_faults(modules(tmp_path))[0]


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)
def test_nothing_in_it_runs_code_from_a_file(module: Module) -> None:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            assert not {name.split(".")[0] for name in names} & FORBIDDEN_IMPORTS, f"line {node.lineno}"
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) not in FORBIDDEN_CALLS, f"line {node.lineno}"
            assert "allow_pickle" not in {keyword.arg for keyword in node.keywords}, f"line {node.lineno}"


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)
def test_a_file_is_one_noun(module: Module) -> None:
    lines = len(module.path.read_text(encoding="utf-8").splitlines())
    assert lines <= 300, f"{module.path.name} has {lines} lines: it is two nouns, split it"


def test_everything_public_has_a_docstring() -> None:
    found = modules()
    classes = {node.name: node for module in found for node in module.tree.body if isinstance(node, ast.ClassDef)}
    bare = [
        f"{module.name}.{name}"
        for module in found
        for name, node in _public(module.tree, classes)
        if not ast.get_docstring(node)
    ]
    assert bare == []


def _public(tree: ast.Module, classes: dict[str, ast.ClassDef]) -> Iterator[tuple[str, Documented]]:
    for node in tree.body:
        if isinstance(node, Documented) and not node.name.startswith("_"):
            yield node.name, node
            if isinstance(node, ast.ClassDef):
                told = {name for base in _ancestors(node, classes) for name in _methods(base)}
                yield from ((f"{node.name}.{k}", v) for k, v in _methods(node).items() if k not in told)


def _methods(node: ast.ClassDef) -> dict[str, Function]:
    return {n.name: n for n in node.body if isinstance(n, Function) and not n.name.startswith("_")}


def _ancestors(node: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> Iterator[ast.ClassDef]:
    for base in node.bases:
        name = ast.unparse(base).split("[")[0].split(".")[-1]
        if name in classes and name != node.name:
            yield classes[name]
            yield from _ancestors(classes[name], classes)


def tracked() -> list[Path]:
    """Every file that is or could be committed."""
    if shutil.which("git") and (ROOT / ".git").exists():
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
        return [ROOT / name for name in listed if (ROOT / name).is_file()]
    return [path for path in ROOT.rglob("*") if path.is_file() and not SKIPPED & set(path.relative_to(ROOT).parts)]


@pytest.mark.parametrize("rule", [REGISTRY, MACHINE], ids=["registries", "machine"])
def test_files_name_no_registry_and_no_place_on_this_machine(rule: re.Pattern[str]) -> None:
    found = []
    for path in tracked():
        for number, line in enumerate(path.read_bytes().decode("utf-8", "replace").splitlines(), 1):
            if rule.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    assert found == []


def test_the_rules_about_names_can_fail() -> None:
    assert REGISTRY.search("see https://py" + "pi.org/simple")
    assert REGISTRY.search("--extra-index" + "-url x")
    assert MACHINE.search("read /ho" + "me/ann/x")
    assert not MACHINE.search("https://example.org/home/page")


def test_every_dependency_is_pinned_and_torch_comes_first() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    pins = dict(line.split("==") for line in lines)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *chain.from_iterable(project["optional-dependencies"].values())]
    names = {re.split(r"[<>=!~\[ ;]", wish)[0] for wish in wanted}
    assert names - {project["name"]} <= pins.keys()  # the extras that the tests need are its own
    assert lines[0] == "torch==2.13.0"
