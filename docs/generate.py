"""Write the tables of the site: options from click, results from `benchmarks/results`.

    python docs/generate.py    # into docs/_generated, as every build does, the table of the README and the diagram

Nothing in a table is copied by hand: a new result file or a changed option appears with the next build.
"""

from collections.abc import Callable
from pathlib import Path

from generating import accuracy, diagram, from_code, readme, record, speed, trusted

TABLES: dict[str, Callable[[], str]] = {
    "commands": from_code.commands,
    "record": record.record,
    "recipes": from_code.recipes,
    "head-options": from_code.head_options,
    "heads": accuracy.heads,
    "scratch": accuracy.scratch,
    "cifar10-lab": lambda: accuracy.lab("cifar10-15k"),
    "minicifar-lab": lambda: accuracy.lab("minicifar"),
    "finetuning": accuracy.finetuning,
    "extraction": speed.extraction,
    "scale": speed.scale,
    "photos": speed.photos,
    "photos-fidelity": speed.photos_fidelity,
    "listing": speed.listing,
    "training": speed.training,
    "muon": speed.muon,
    "estimates": speed.estimates,
    "estimate-errors": speed.estimate_errors,
    "path-speed": speed.path_speed,
    "search-speed": speed.search_speed,
    "many-rows": speed.many_rows,
    "path-errors": accuracy.path_errors,
    "rounding": accuracy.rounding,
    "equal-runs": accuracy.equal_runs,
    "ablation": accuracy.ablation,
    "importance": accuracy.importance,
    "minicifar-ablation": accuracy.minicifar_ablation,
    "robustness": accuracy.robustness,
    "imbalance": trusted.imbalance,
    "trust": trusted.trust,
}


def write(folder: Path) -> None:
    """Write one Markdown file for each table into `folder`, leaving files that would not change."""
    folder.mkdir(exist_ok=True)
    for name, make in TABLES.items():
        path, text = folder / f"{name}.md", make()
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


if __name__ == "__main__":
    write(Path(__file__).parent / "_generated")
    readme.README.write_text(readme.readme())
    diagram.DIAGRAM.write_text(diagram.diagram())
