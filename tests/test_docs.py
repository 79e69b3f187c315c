"""Documents are programs too: what exists is documented, what is documented exists."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from app.cli.main import app
from app.main import create_app
from app.queue import QUEUES
from app.settings import Settings
from models.discovery import backbones, tasks

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CHANGELOG.md"])
DECISIONS = sorted(DOCS.glob("decisions/0*.md"))
PARTS = ("Context", "Decision", "Consequences", "Alternatives", "Where it shows")
# Placeholders of the documents, as a reader would fill them in.
FILLED = {
    "$API": "",
    "$DATASET": "ds_1",
    "$SWEEP": "swp_1",
    "$MODEL": "mdl_1",
    "$PREDICTION": "prd_1",
    "$KEY": "key",
}


@pytest.fixture(scope="module")
def openapi() -> dict[str, Any]:
    return create_app().openapi()


def page(name: str) -> str:
    return (DOCS / name).read_text()


def verbs_of_run() -> set[str]:
    usage = re.search(r"<<'TEXT'\n(.*?)\nTEXT", (ROOT / "run").read_text(), re.DOTALL)
    assert usage
    return set(re.findall(r"\./run (\w+)", usage[1]))


def commands(group: Any, before: tuple[str, ...] = ()) -> Iterator[tuple[str, TyperCommand]]:
    """Every command as (its full name, itself)."""
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from commands(command, (*before, name))
        else:
            yield " ".join((*before, name)), command


# ---- what exists is documented ---------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(tasks()))
def test_every_task_has_a_page_with_its_classes_points_and_layouts(name: str) -> None:
    text, task = page(f"tasks/{name}.md"), tasks()[name]
    assert task.question in text
    for word in (*task.classes, *task.points, *task.layouts, task.headline):
        assert f"`{word}`" in text, word


@pytest.mark.parametrize("name", sorted(backbones()))
def test_every_backbone_is_in_the_table_with_its_ends_its_size_and_its_licence(name: str) -> None:
    row = next(line for line in page("backbones.md").splitlines() if line.startswith(f"| `{name}`"))
    found = backbones()[name]
    assert found.layers[0] in row
    assert found.layers[-1] in row
    assert f"{found.input_size} px" in row
    assert found.weights is not None
    if found.weights.licence != "as the imported file says":
        assert found.weights.licence in row


@pytest.mark.parametrize("name", sorted(backbones()))
def test_the_map_network_of_a_backbone_is_in_the_second_table(name: str) -> None:
    """What is kept, what is left out, and where skips come from: bare names, in order."""
    found = backbones()[name]
    _, section = page("backbones.md").split("## Map networks")
    row = next(
        line
        for line in section.splitlines()
        if line.startswith("|") and f"`{name}`" in line.split("|")[1]
    )
    _, _, kept, out, skips, _ = (cell.strip() for cell in row.split("|"))
    layers = found.row("map")
    assert (kept.split(", ")[0], kept.split(", ")[-1]) == (layers[0], "decoder")
    assert f"{layers[-2]}, decoder" in kept
    assert out.split(", ") == list(found.layers[len(layers) - 1 :])
    assert skips.split(", ") == [layer for layer, _, _ in found.taps[:-1]]


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_is_documented_with_its_default(name: str) -> None:
    lines = page("settings.md").splitlines()
    row = next((line for line in lines if line.startswith(f"| `LAYERTUNE_{name.upper()}` |")), "")
    assert row, f"docs/settings.md lacks LAYERTUNE_{name.upper()}"
    default = str(Settings.model_fields[name].default)
    assert default in row if default else "empty" in row


def test_no_setting_is_documented_that_does_not_exist() -> None:
    known = {f"LAYERTUNE_{name.upper()}" for name in Settings.model_fields}
    said = {
        name for path in PAGES for name in re.findall(r"LAYERTUNE_[A-Z0-9_]+", path.read_text())
    }
    assert said - known == {"LAYERTUNE_URL", "LAYERTUNE_KEY"}


def test_the_calls_documented_are_the_calls_that_exist(openapi: dict[str, Any]) -> None:
    documented = set(re.findall(r"^\| `([A-Z]+ /\S+)` \|", page("api.md"), re.MULTILINE))
    predictions = {f"/v1/predictions/{name}" for name in tasks()}
    exist = {
        f"{method.upper()} {'/v1/predictions/{task}' if path in predictions else path}"
        for path, methods in openapi["paths"].items()
        for method in methods
    }
    assert documented == exist


def test_every_job_and_queue_is_documented() -> None:
    text = page("cli.md")
    for job, queue in QUEUES.items():
        assert f"job `{job}`" in text
        assert f"`{queue}`" in text


def test_the_verbs_of_run_documented_are_the_verbs_that_exist() -> None:
    documented = set(re.findall(r"^\| `\./run (\w+)` \|", page("cli.md"), re.MULTILINE))
    assert documented == verbs_of_run()


def test_the_commands_documented_are_the_commands_that_exist() -> None:
    text = page("cli.md")
    for name, command in commands(get_command(app)):
        row = next((x for x in text.splitlines() if x.startswith(f"| `layertune {name}")), "")
        assert row, f"docs/cli.md lacks `layertune {name}`"
        long = [opt for param in command.params for opt in param.opts if opt.startswith("--")]
        for option in long:
            assert option in row, f"docs/cli.md: `layertune {name}` lacks {option}"
    known = {name for name, _ in commands(get_command(app))}
    for line in re.findall(r"^\| `layertune ([a-z ]+)", text, re.MULTILINE):
        assert line.strip() in known, line


def test_every_state_is_named_in_the_architecture() -> None:
    schemas = create_app().openapi()["components"]["schemas"]
    text = page("architecture.md")
    for name in ("Dataset", "Sweep"):
        state = schemas[name]["properties"]["state"]
        for word in state.get("enum", []):
            assert word in text, f"{name}: {word}"


# ---- what is documented exists ---------------------------------------------------------------


def links() -> list[tuple[Path, str]]:
    found = []
    for path in PAGES:
        prose = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
        found += [(path, target) for target in re.findall(r"\]\(([^)\s]+)\)", prose)]
    return found


@pytest.mark.parametrize(
    ("path", "target"), links(), ids=lambda part: str(part).removeprefix(f"{ROOT}/")
)
def test_a_link_leads_somewhere(path: Path, target: str) -> None:
    if target.startswith(("http://", "https://")):
        return
    file, _, anchor = target.partition("#")
    found = (path.parent / file).resolve() if file else path
    assert found.exists()
    if anchor:
        heads = re.findall(r"^#+ (.+)$", found.read_text(), re.MULTILINE)
        slugs = [re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads]
        assert anchor in slugs


def test_files_named_in_backticks_exist() -> None:
    named = re.compile(r"`((?:app|models|worker|tests|docs|migrations)/[\w/]+(?:\.(?:py|md)|/))`")
    for path in [*DECISIONS, DOCS / "architecture.md", ROOT / "README.md"]:
        for name in named.findall(path.read_text()):
            assert (ROOT / name).exists(), f"{path.name}: {name}"


def test_decisions_are_numbered_without_a_gap_listed_and_have_their_five_parts() -> None:
    assert [int(path.name[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))
    index = page("decisions/README.md")
    for path in DECISIONS:
        text = path.read_text()
        title = text.splitlines()[0].removeprefix(f"# {path.name[:4]} ")
        assert f"| {path.name[:4]} | [{title}]({path.name}) |" in index
        for part in PARTS:
            assert f"**{part}.**" in text, f"{path.name} lacks {part}"
        assert 15 <= len(text.splitlines()) <= 45, path.name


def test_every_measurement_names_a_command_that_exists() -> None:
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page("measurements.md").splitlines()
        if line.startswith("|") and not line.startswith("|-")
    ]
    seen = 0
    for row in rows:
        for cell in row:
            for command in re.findall(r"`([^`]+)`", cell):
                if command.startswith(("./run", "layertune", "python")):
                    check(command, {})
                    seen += 1
    assert seen >= 8


def test_the_glossary_is_in_order_and_says_each_word_once() -> None:
    words = re.findall(r"^\| ([^|]+?) \| ", page("glossary.md"), re.MULTILINE)[1:]
    assert words == sorted(words, key=str.lower)
    assert len(set(words)) == len(words)
    for word in ("arm", "depth", "ledger", "operating point", "plan", "run", "subject", "sweep"):
        assert word in words


def test_the_pages_a_stranger_reads_first_say_that_it_is_for_research() -> None:
    for text in ((ROOT / "README.md").read_text(), page("measurements.md")):
        assert "esearch use only" in text


# ---- shell blocks ------------------------------------------------------------------------------


def lines_of(text: str) -> list[str]:
    blocks = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def shell_lines() -> list[str]:
    return [line for path in PAGES for line in lines_of(path.read_text())]


@pytest.mark.parametrize("line", shell_lines())
def test_a_shell_line_would_run(line: str, openapi: dict[str, Any]) -> None:
    check(line, openapi)


def test_a_shell_line_that_would_not_run_is_seen(openapi: dict[str, Any]) -> None:
    for line in (
        "./run away",
        "layertune sweeps start ds_1 --dept 3",
        "layertune datasets ad lesions.zip",
        'curl -H "$KEY" $API/v1/datasetz',
        'curl -H "$KEY" -X PATCH $API/v1/datasets/$DATASET',
        'curl -H "$KEY" --json "{\\"dataset\\": \\"$DATASET\\"}" $API/v1/sweeps',
        'curl -H "$KEY" -F file=@lesions.zip $API/v1/datasets',
        "curl $API/v1/datasets",
        "rm -rf var",
    ):
        with pytest.raises(AssertionError):
            check(line, openapi)


def check(line: str, openapi: dict[str, Any]) -> None:
    """Whether a line of a document would run: its program, verb, options, route and fields."""
    if re.match(r"[A-Z]+=", line) or line.startswith("#"):
        return
    for name, value in FILLED.items():
        line = line.replace(name, value)
    program, *arguments = shlex.split(line)
    if program == "./run":
        assert arguments[0] in verbs_of_run(), line
    elif program == "layertune":
        check_command(arguments)
    elif program == "python":
        assert arguments[0] == "-m", line
        assert ROOT.joinpath(*arguments[1].split(".")).exists(), line
    elif program == "curl":
        check_curl(arguments, openapi)
    elif program == "docker":
        files = [arguments[at + 1] for at, word in enumerate(arguments) if word == "-f"]
        assert all((ROOT / name).exists() for name in files), line
        scaled = [word.split("=")[0] for word in arguments if "=" in word and word[0] != "-"]
        assert all(f"  {name}:" in (ROOT / "docker-compose.yml").read_text() for name in scaled)
    else:
        assert line == "source .venv/bin/activate", f"no rule for: {line}"


def check_command(arguments: list[str]) -> None:
    found: Any = get_command(app)
    if arguments == ["--help"]:
        return
    rest = list(arguments)
    while isinstance(found, TyperGroup):
        assert rest, "a command is missing"
        name = rest.pop(0)
        assert name in found.commands, name
        found = found.commands[name]
    try:
        found.make_context("layertune", rest)
    except Exception as error:
        raise AssertionError(f"layertune {' '.join(arguments)}: {error}") from error


def check_curl(arguments: list[str], openapi: dict[str, Any]) -> None:
    given: dict[str, list[str]] = {"-H": [], "-F": [], "-X": [], "--json": [], "-o": []}
    urls, rest = [], list(arguments)
    while rest:
        word = rest.pop(0)
        if word in given:
            given[word].append(rest.pop(0))
        elif not word.startswith("-"):
            urls.append(word)
    assert len(urls) == 1, urls
    has_body = bool(given["-F"] or given["--json"])
    method = (given["-X"] or ["POST" if has_body else "GET"])[0].lower()
    operation = operation_of(urls[0], method, openapi)
    assert "key" in given["-H"], "without a key it answers 401"
    content = operation.get("requestBody", {}).get("content", {})
    if given["-F"]:
        schema = resolved(content["multipart/form-data"]["schema"], openapi)
        fields = {field.partition("=")[0] for field in given["-F"]}
        assert fields <= set(schema["properties"]), fields
        assert set(schema.get("required", [])) <= fields, fields
    if given["--json"]:
        schema = resolved(content["application/json"]["schema"], openapi)
        body = json.loads(given["--json"][0])
        assert set(body) <= set(schema["properties"]), body
        assert set(schema.get("required", [])) <= set(body), body


def operation_of(path: str, method: str, openapi: dict[str, Any]) -> dict[str, Any]:
    """The operation that a path reaches; a path written out wins over one with a parameter."""
    for template in sorted(openapi["paths"], key=lambda template: "{" in template):
        pattern = re.sub(r"\{\w+\}", "[^/]+", template)
        if re.fullmatch(pattern, path) and method in openapi["paths"][template]:
            found: dict[str, Any] = openapi["paths"][template][method]
            return found
    raise AssertionError(f"no route {method.upper()} {path}")


def resolved(schema: dict[str, Any], openapi: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = openapi["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
    return schema
