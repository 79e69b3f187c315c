"""The walls of the house hold: imports, sizes, names, and the file that is the registration."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("app", "worker", "models", "migrations")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
FILE_LINES = 300
FUNCTION_LINES = 60
FOLDER_FILES = 20
NO_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "base", "misc"}
# Words that mean something else in a hospital: docs/decisions/0006.
NO_WORDS = {"study", "trial", "experiment"}
HEAVY = ("torch", "torchvision", "timm")


def fresh(code: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Runs code in an interpreter that has imported nothing yet."""
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=120
    )


def contracts() -> list[dict[str, object]]:
    found = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return found["tool"]["importlinter"]["contracts"]


# ---- imports --------------------------------------------------------------------------------


def test_every_import_contract_is_kept() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    ran = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout[-4000:]


def test_every_module_of_the_science_stands_under_the_contract() -> None:
    rooms = {"models.tuning", "models.inference", "models.backbones", "models.__main__"}
    found = {
        f"models.{path.stem}"
        for path in (ROOT / "models").iterdir()
        if path.suffix == ".py" or (path.is_dir() and (path / "__init__.py").exists())
    }
    held = set(contracts()[0]["source_modules"])  # type: ignore[call-overload]
    assert found - rooms - {"models.__init__"} == held, "bring [tool.importlinter] up to date"


def test_an_import_of_torch_from_a_task_would_be_seen(tmp_path: Path) -> None:
    for name in ("app", "worker", "models"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    sinner = tmp_path / "models" / "tasks" / "classification.py"
    sinner.write_text(sinner.read_text() + "\nimport torch\n")
    lint = Path(sys.executable).with_name("lint-imports")
    ran = subprocess.run([lint, "--no-cache"], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 1
    assert "models.tasks.classification -> torch" in ran.stdout


@pytest.mark.parametrize("module", ["app.main", "worker.main", "app.cli.main"])
def test_importing_a_process_leaves_torch_out(module: str) -> None:
    ran = fresh(f"import {module}, sys; print([m for m in {HEAVY} if m in sys.modules])")
    assert ran.stdout.strip() == "[]", ran.stderr or ran.stdout


def test_making_the_application_leaves_torch_out() -> None:
    code = "import sys; from app.main import create_app; create_app().openapi()"
    ran = fresh(f"{code}; print([m for m in {HEAVY} if m in sys.modules])")
    assert ran.stdout.strip() == "[]", ran.stderr or ran.stdout


def test_the_command_line_imports_nothing_of_the_science_or_the_service() -> None:
    weights = ("numpy", "cv2", "sqlalchemy", "fastapi", "celery", "openvino", "matplotlib")
    ran = fresh(f"import app.cli.main, sys; print([m for m in {weights} if m in sys.modules])")
    assert ran.stdout.strip() == "[]", ran.stderr or ran.stdout


def test_the_science_reads_no_environment() -> None:
    readers = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "models").rglob("*.py")
        if re.search(r"os\.environ|os\.getenv|from os import (environ|getenv)", path.read_text())
        and path.name != "__main__.py"
    ]
    assert readers == []


def test_only_tuning_and_backbones_import_torch() -> None:
    rooms = ("models/tuning/", "models/backbones/")
    strangers = [
        path.relative_to(ROOT).as_posix()
        for path in SOURCES
        if not path.relative_to(ROOT).as_posix().startswith(rooms) and _imports(path) & set(HEAVY)
    ]
    assert strangers == []


def _imports(path: Path) -> set[str]:
    """Top-level packages that a file imports when it runs (not for type checkers alone)."""
    tree = ast.parse(path.read_text())
    hidden = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for child in ast.walk(node)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in hidden:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def test_nothing_unpickles() -> None:
    sinners = [path.name for path in SOURCES if _imports(path) & {"pickle", "dill", "joblib"}]
    assert sinners == []


def test_every_torch_load_reads_weights_only() -> None:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                given = {word.arg: ast.unparse(word.value) for word in node.keywords}
                assert given.get("weights_only") == "True", f"{path}:{node.lineno}"


# ---- sizes and names ------------------------------------------------------------------------


# A revision is a list of columns: long, flat, and never edited again.
READ = [path for path in SOURCES if path.parent.name != "versions"]


@pytest.mark.parametrize("path", READ, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_source_file_is_small_and_says_what_lives_in_it(path: Path) -> None:
    text = path.read_text()
    lines = text.splitlines()
    assert len(lines) <= FILE_LINES, f"{len(lines)} lines: make it a package of the same name"
    tree = ast.parse(text)
    if lines:
        assert ast.get_docstring(tree), "a module opens with one sentence"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            assert length <= FUNCTION_LINES, f"{node.name} has {length} lines"


def test_a_folder_holds_no_more_than_can_be_looked_over() -> None:
    folders = {path.parent for path in SOURCES}
    crowded = {
        folder.relative_to(ROOT).as_posix(): len(list(folder.glob("*.py")))
        for folder in folders
        if len(list(folder.glob("*.py"))) > FOLDER_FILES
    }
    # models/ and app/ themselves are one noun per file: the vocabulary of each.
    assert set(crowded) <= {"models", "app"}


def test_no_module_has_a_name_that_says_nothing() -> None:
    parts = {part for path in SOURCES for part in path.relative_to(ROOT).with_suffix("").parts}
    assert not parts & NO_NAMES


def test_no_class_or_function_uses_a_word_that_a_hospital_uses_otherwise() -> None:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                words = set(re.findall(r"[a-z]+", re.sub(r"([A-Z])", r" \1", node.name).lower()))
                assert not words & NO_WORDS, f"{path.name}: {node.name}"


def test_the_tests_folder_is_no_package() -> None:
    # An __init__.py there would let tests/models shadow the science.
    assert [path for path in TESTS if path.name == "__init__.py"] == []


def test_states_change_in_one_module() -> None:
    """Nothing outside lifecycle assigns a state to a row."""
    sinners = []
    for path in SOURCES:
        if path.parent.name == "db":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            targets = node.targets if isinstance(node, ast.Assign) else []
            sinners += [
                f"{path.relative_to(ROOT)}:{node.lineno}"
                for target in targets
                if isinstance(target, ast.Attribute)
                and target.attr in ("state", "lease_owner", "lease_until", "attempt")
                and ast.unparse(target.value) != "self"
            ]
    assert sinners == []


# ---- the file is the registration -------------------------------------------------------------


def test_a_new_task_file_makes_its_endpoint_appear(tmp_path: Path) -> None:
    """One file dropped into the folder; nothing else is edited (DESIGN, sentence 5)."""
    for name in ("app", "worker", "models", "migrations"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "models" / "tasks" / "tooth_decay.py").write_text(
        '"""Made up: is this tooth decayed?"""\n'
        "from dataclasses import replace\n"
        "from models.tasks.classification import TASK as OTHER\n"
        'TASK = replace(OTHER, name="tooth_decay", question="Is this tooth decayed?",\n'
        '               classes=("sound", "decayed"), positive="decayed")\n'
    )
    ran = fresh(
        "from app.main import create_app\n"
        "paths = create_app().openapi()['paths']\n"
        "print('/v1/predictions/tooth_decay' in paths, '/v1/predictions/frame_quality' in paths)",
        tmp_path,
    )
    assert ran.stdout.strip() == "True True", ran.stderr[-2000:]
    catalogue = fresh(
        "from models.discovery import tasks\nprint(tasks()['tooth_decay'].question)", tmp_path
    )
    assert catalogue.stdout.strip() == "Is this tooth decayed?", catalogue.stderr
