"""The pages: their commands, imports and tables are those of the program."""

import ast
import importlib
import importlib.util
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import click
import pytest
import yaml

from pipelines.cli.commands.plan import PLAN
from pipelines.cli.group import pipeline

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/[a-z]*.md"))]


def _blocks(page: Path, *languages: str) -> Iterator[str]:
    for language, text in re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(), flags=re.MULTILINE | re.DOTALL):
        if language in languages:
            yield text


def _commands(page: Path) -> Iterator[list[str]]:
    """The words of every `pipeline` command in the page's blocks of text, without comments."""
    for block in _blocks(page, "", "text"):
        for line in block.splitlines():
            words = shlex.split(line.removeprefix("$ "), comments=True) if re.match(r"(\$ )?pipeline ", line) else []
            yield from [words[1:]] if words else []


def _resolved(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that `words` name, and what is left of them."""
    command: click.Command = pipeline
    while isinstance(command, click.Group) and words and words[0] in command.commands:
        command, words = command.commands[words[0]], words[1:]
    assert command is not pipeline, f"no command {words[0]!r}"
    return command, words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_and_options_of_the_pages_exist(page: Path) -> None:
    for given in _commands(page):
        command, words = _resolved(given)
        options = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
        unknown = {word.partition("=")[0] for word in words if word.startswith("--")} - options
        assert not unknown, f"`pipeline {' '.join(given)}` has {unknown}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_imports_of_the_pages_exist(page: Path) -> None:
    for block in _blocks(page, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module and not node.module.startswith("my_"):
                module = importlib.import_module(node.module)
                for one in node.names:
                    inside = hasattr(module, "__path__") and importlib.util.find_spec(f"{node.module}.{one.name}")
                    assert hasattr(module, one.name) or inside, ast.unparse(node)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_the_pages_name_exist(page: Path) -> None:
    named = re.findall(r"`((?:extract|heads|finetune|pipelines|benchmarks|tests|docs)/[\w/.]+\.\w+)`", page.read_text())
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_plans_of_the_pages_have_the_columns_that_are_printed() -> None:
    headings = [line for page in PAGES for line in page.read_text().splitlines() if re.match("job +state ", line)]
    assert len(headings) == 2
    assert {tuple(line.split()) for line in headings} == {tuple(column.title for column in PLAN)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_rows_of_a_table_have_the_cells_of_its_heading(page: Path) -> None:
    prose = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for text in re.findall(r"(?:^\|.*\n)+", prose, flags=re.MULTILINE):
        cells = {len(re.findall(r"(?<!\\)\|", row)) for row in text.splitlines()}
        assert len(cells) == 1, text


def test_links_of_the_readme_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", (ROOT / "README.md").read_text().replace("\n", " "))
    assert len(links) > 15
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_table_of_the_readme_is_that_of_the_result_files(generating) -> None:
    readme = generating("readme")
    assert readme.readme() == readme.README.read_text(), "run `python docs/generate.py`"


def test_every_field_of_a_record_has_its_meaning(generating) -> None:
    fields = generating("record").record_fields()
    names = [f"{paths[0]}.{name}".lstrip(".") for paths, named in fields.items() for name in named]
    assert list(yaml.safe_load((ROOT / "docs" / "fields.yaml").read_text()).keys() ^ names) == []


def test_diagram_is_as_drawn_by_the_code(generating) -> None:
    diagram = generating("diagram")
    assert diagram.diagram() == diagram.DIAGRAM.read_text(), "run `python docs/generate.py`"


def test_every_command_is_in_the_reference(generating) -> None:
    text = generating("from_code").commands()
    assert [name for name in pipeline.commands if f"\n## pipeline {name}" not in text] == []
    assert "--workspace" in text.partition("## pipeline")[0]


@pytest.fixture
def generating(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """The modules of `docs/generating` by name."""
    monkeypatch.syspath_prepend(ROOT / "docs")
    return lambda name: importlib.import_module(f"generating.{name}")
