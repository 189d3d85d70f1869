"""Selection of a report's runs: all, those that are named, or those that fit filters."""

from collections.abc import Callable, Sequence

from extract.errors import InvalidInputError, unknown
from pipelines.tasks.table import fits
from pipelines.workspace.schema import Record

FIELDS: dict[str, Callable[[Record], object]] = {
    "architecture": lambda record: record.architecture,
    "dataset": lambda record: record.dataset and record.dataset.name,
    "family": lambda record: record.family,
    "head": lambda record: record.head,
    "image-size": lambda record: record.image_size,
    "kind": lambda record: record.kind,
    "mode": lambda record: record.mode,
    "name": lambda record: record.name,
    "seed": lambda record: record.seed,
    "subset": lambda record: record.dataset and record.dataset.subset,
    "weights": lambda record: record.weights,
}


def selected(records: Sequence[Record], wanted: str | None) -> list[Record]:
    """The records that `wanted` names: run names or their beginnings, and filters, with commas between.

    A filter is FIELD=PATTERN with * and ? (mode=frozen, architecture=resnet*). Several filters of one field are
    alternatives; those of different fields must all fit. Raises InvalidInputError for an unknown field or run, with
    the nearest names, and where nothing is named.
    """
    if wanted is None:
        return list(records)
    terms = [term.strip() for term in wanted.split(",") if term.strip()]
    if not terms:
        raise InvalidInputError(
            f"--runs must name runs or FIELD=PATTERN with commas between; got {wanted!r}. Leave it out for all runs."
        )
    filters = _filters([term for term in terms if "=" in term])
    names = _names([term for term in terms if "=" not in term], records)
    return [
        record
        for record in records
        if (not names or record.run in names)
        and all(any(_fits(record, field, pattern) for pattern in patterns) for field, patterns in filters.items())
    ]


def _filters(terms: Sequence[str]) -> dict[str, list[str]]:
    filters: dict[str, list[str]] = {}
    for term in terms:
        field, pattern = term.split("=", 1)
        field = field.strip().replace("_", "-")
        if field not in FIELDS:
            raise unknown("field of --runs", name=field, known=FIELDS)
        filters.setdefault(field, []).append(pattern.strip())
    return filters


def _names(terms: Sequence[str], records: Sequence[Record]) -> set[str]:
    known = [record.run for record in records]
    names = set()
    for term in terms:
        found = [name for name in known if name.startswith(term)]
        if len(found) > 1 and term not in found:
            raise InvalidInputError(
                f"run must name one run; got {term!r}, which fits {', '.join(found[:5])}. Add letters."
            )
        if not found:
            raise unknown("run", name=term, known=known, remedy="`pipeline runs` lists them.")
        names.add(term if term in found else found[0])
    return names


def _fits(record: Record, field: str, pattern: str) -> bool:
    value = FIELDS[field](record)
    return fits("none" if value is None else str(value), pattern)
