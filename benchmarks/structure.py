"""Size and structure of the source: lines, files, long functions, untyped words, repeated names, circles of folders.

    python -m benchmarks.structure [--write]

Source is what git tracks under extract, heads, finetune and pipelines; tests and docs do not count.
"""

import argparse
import ast
import json
import re
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.hardware import write

PACKAGES = ("extract", "heads", "finetune", "pipelines")
FOLDER_FILES, FILE_LINES, FUNCTION_LINES = 14, 300, 40
WORDS = ("label_smoothing", "test_subset", "on_bad_image")


def main() -> None:
    """Prints the counts; with --write, keeps them as a result file too."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="keep them under benchmarks/results")
    found = counts(Path(__file__).parents[1])
    print(json.dumps(found, indent=1))
    if parser.parse_args().write:
        print(write("structure", found, libraries=()))


def counts(root: Path) -> dict[str, Any]:
    """Every count of the source under `root`."""
    texts = sources(root)
    trees = {path: ast.parse(text) for path, text in texts.items()}
    folders = Counter(str(Path(path).parent) for path in texts if not path.endswith("__init__.py"))
    names = Counter(node.name for tree in trees.values() for node in tree.body if isinstance(node, ast.ClassDef))
    return {
        "lines": per_package(texts, len_of_lines),
        "files": per_package(texts, lambda _: 1),
        "folders over the limit": {name: count for name, count in folders.items() if count > FOLDER_FILES},
        "files over the limit": {path: n for path, text in texts.items() if (n := len_of_lines(text)) > FILE_LINES},
        "functions over the limit": sorted(
            f"{path}:{name} {length}"
            for path, tree in trees.items()
            for name, length in functions(tree)
            if length > FUNCTION_LINES
        ),
        "Any": per_package(texts, lambda text: len(re.findall(r"\bAny\b", text))),
        "class names that occur twice": sorted(name for name, count in names.items() if count > 1),
        "files that name a word": {word: naming(texts, word) for word in WORDS},
        "circles of folders": circles(arrows(trees)),
    }


def sources(root: Path) -> dict[str, str]:
    """Path from `root` -> text of every tracked source file."""
    tracked = subprocess.run(
        ["git", "ls-files", *(f"{package}/*.py" for package in PACKAGES)],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    return {path: (root / path).read_text() for path in tracked if (root / path).exists()}


def per_package(texts: dict[str, str], measure: Any) -> dict[str, int]:
    """The sum of a measure of each file, by package and in all."""
    sums = {
        package: sum(measure(text) for path, text in texts.items() if path.startswith(f"{package}/"))
        for package in PACKAGES
    }
    return sums | {"all": sum(sums.values())}


def len_of_lines(text: str) -> int:
    """Lines of a file, blank ones included."""
    return text.count("\n")


def functions(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Name and lines of every function, decorators apart."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def naming(texts: dict[str, str], word: str) -> list[str]:
    """Files in which a word occurs."""
    return [path for path, text in texts.items() if re.search(rf"\b{word}\b", text)]


def arrows(trees: dict[str, ast.AST]) -> dict[str, set[str]]:
    """Folder -> folders whose modules it imports, late imports included.

    A module that lies beside sub-folders (`extract.errors`) counts as a folder of its own; the folder above is then its
    `__init__` alone, the face of the package.
    """
    folders = {dotted(str(Path(path).parent)) for path in trees}
    above = {folder.rpartition(".")[0] for folder in folders}
    known = folders | {dotted(path) for path in trees if dotted(str(Path(path).parent)) in above}
    found: dict[str, set[str]] = defaultdict(set)
    for path, tree in trees.items():
        own = place(dotted(path), known)
        targets = (place(name, known) for node in ast.walk(tree) for name in imported(node))
        found[own] |= {target for target in targets if target} - {own}
    return found


def dotted(path: str) -> str:
    """The name of a module or folder by its path; a package's `__init__` is the package."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def place(name: str, known: set[str]) -> str:
    """The folder, or module beside folders, to which a name belongs; "" for a name of another project."""
    while name and name not in known:
        name = name.rpartition(".")[0]
    return name


def imported(node: ast.AST) -> list[str]:
    """Modules that an import statement names."""
    if isinstance(node, ast.Import):
        return [one.name for one in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [f"{node.module}.{one.name}" for one in node.names]
    return []


def circles(graph: dict[str, set[str]]) -> list[str]:
    """Pairs of folders each of which reaches the other."""
    reached = {folder: reachable(graph, folder) for folder in graph}
    return sorted(f"{a} <-> {b}" for a in graph for b in graph if a < b and b in reached[a] and a in reached[b])


def reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    """Folders that can be reached from `start`."""
    seen: set[str] = set()
    open_ends = [start]
    while open_ends:
        for folder in graph.get(open_ends.pop(), set()) - seen:
            seen.add(folder)
            open_ends.append(folder)
    return seen


if __name__ == "__main__":
    main()
