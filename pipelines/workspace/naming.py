"""Names of runs that are shown together, and the data that they were trained and scored on, in words."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from extract.runtime.options import options_of
from finetune.architectures.options import Options as Architecture
from pipelines.workspace.schema import SUBSETS, DatasetUse, DoneRecord, Options, Record

if TYPE_CHECKING:
    from extract.data.datasets import Facts

Group = tuple[str, str | None] | None
TITLES = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100"}
MODES = {"frozen": "frozen", "finetuned": "fine-tuned", "scratch": "from scratch"}
WORDS = {
    "learning_rate": "lr",
    "learning_rates": "lr",
    "batch_size": "batch",
    "weight_decays": "weight decay",
    "c_grid": "C",
    "alpha_grid": "alpha",
    "sizes": "hidden",
    "subset_seed": "subset seed",
}
SHARED = ("weights", "dataset", "classes", *SUBSETS, "image_size", "seed")  # compared among heads and networks alike
OF_TEST = ("seed", "dataset", "classes", SUBSETS[1])  # what a chart of one set of test images says elsewhere
OF_FEATURES = ("views", "pool", "layers", "precision", "storage")
FEW = 3  # values of a list, up to which each is named
MORE = "…"


def names(records: Sequence[Record], *, but: Sequence[str] = ()) -> list[str]:
    """A name for each record: its head or architecture, then only the options in which the records differ.

    A value that more than half of the runs share is left to the others' names to say that it differs; `but` are
    options that stand elsewhere, such as "seed". Untrained weights are named unless all are untrained.
    Distinct runs never have the same name: as a last resort the run's ID ends it.
    """
    bases = _bases(records)
    options = [_options(one, but) for one in records]
    values = _values(records, options)
    found = []
    for base, record, present in zip(bases, records, options, strict=True):
        shown = [name for name in present if _tells(values.get((name, _group(name, record))), present[name])]
        found.append(", ".join([base, *filter(None, (said(name, present[name]) for name in shown))]))
    return _distinct(found, records, but)


def fitted(names: Sequence[str], width: int) -> list[str]:
    """The names in at most `width` characters: parts that most others share are left out first, none is cut.

    Names that were distinct stay so: equal ones are numbered. One whose first part alone is too long stays so.
    """
    short, shorter = _shortened(names, width), _shortened(names, width - len(" (9)"))
    found: dict[str, str] = {}
    taken = Counter[str]()
    for name in short:
        one = shorter[name] if short[name] in taken else short[name]
        taken[one] += 1
        found[name] = one if taken[one] == 1 else f"{one} ({taken[one]})"
    return [found[name] for name in names]


def least(names: Sequence[str], width: int) -> int:
    """The width, at least `width`, in which `fitted` need not number any of the names nor leave one too long."""
    low, high = width, max([width, *map(len, names)])
    while low < high:
        middle = (low + high) // 2
        short = _shortened(names, middle).values()
        fits = len(set(short)) == len(short) and max(map(len, short)) <= middle
        low, high = (low, middle) if fits else (middle + 1, high)
    return low


def data(records: Sequence[Record]) -> str:
    """Data set on which records were trained and scored, at which size and with which weights if all are alike:
    "CIFAR-10, 400 of 50,000 training and 400 of 10,000 test images, 48 px, packaged weights"."""
    sizes, weights = [one.image_size for one in records], [one.weights for one in records]
    return setting(images(records), sizes=sizes, weights=weights)


def images(records: Sequence[Record]) -> str:
    """The data set of the records, and how many of its images they were trained and scored on."""
    used = records[0].dataset
    facts, name = _facts(used), "" if used is None else chosen(used)
    train = _counted([_training_images(one) for one in records], facts and facts.train_count)
    test = _counted(
        [one.test.rows if isinstance(one, DoneRecord) else None for one in records], facts and facts.test_count
    )
    counts = " and ".join(f"{count} {split}" for count, split in ((train, "training"), (test, "test")) if count)
    return f"{name}, {counts} images" if counts else name


def setting(images: str, *, sizes: Sequence[int | None], weights: Sequence[str | None]) -> str:
    """`images` with the sizes that they are used at and the weights of the backbones, where all have the same."""
    known = sorted({size for size in sizes if size})
    present = {one for one in weights if one not in (None, "none", "unknown")}
    parts = [images, f"{_span(known)} px" if known else "", said("weights", *present) if len(present) == 1 else ""]
    return ", ".join(part for part in parts if part)


def chosen(used: DatasetUse) -> str:
    """The data set with the classes that were chosen of it: "digits, classes 0/1"."""
    return ", ".join(filter(None, [title(used.name), said("classes", used.classes)]))


def title(dataset: str) -> str:
    """A data set as people write it."""
    return TITLES.get(dataset, dataset)


def said(option: str, value: object) -> str:
    """An option and its value in a few words; nothing for None."""
    words = WORDS.get(option, option.replace("_", " "))
    if value is None or value == "":
        return "all images" if option == "subset" else ""
    if option in ("weights", "dataset", "classes", "image_size", *SUBSETS, "epochs"):
        return _own_words(option, value)
    if option in ("recipe", "mode", "precision"):
        return str(value)
    if option == "views":
        return f"{value} views" if value != "plain" else "plain view"
    if isinstance(value, Mapping):
        return f"own {words}"  # a class each, of a file
    if isinstance(value, bool):
        return words if value else f"no {words}"
    return f"{words} {_value(value)}"


def _own_words(option: str, value: object) -> str:
    if option == "weights":
        return {"untrained": "untrained weights", "file": "weights of a file"}.get(str(value), f"{value} weights")
    if option == "dataset":
        return title(str(value))
    if option == "classes" and isinstance(value, tuple):
        return f"classes {'/'.join(value)}" if len(value) <= 2 * FEW else f"{len(value)} classes"
    if option == "epochs":
        return f"{value} epoch{'' if value == 1 else 's'}"
    return f"{value} px" if option == "image_size" else f"{value:,} {'test ' * (option == SUBSETS[1])}images"


def _value(value: object) -> str:
    if isinstance(value, list | tuple):
        several = len(value) > FEW and all(isinstance(one, int | float) for one in value)
        return f"{_value(min(value))} to {_value(max(value))}" if several else "/".join(map(_value, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _bases(records: Sequence[Record]) -> list[str]:
    """What each name begins with; untrained weights are said wherever others are not untrained."""
    untrained = [one.weights == "untrained" for one in records]
    marked = any(untrained) and not all(untrained)
    return [_base(one) + " (untrained)" * (marked and raw) for one, raw in zip(records, untrained, strict=True)]


def _base(record: Record) -> str:
    """Head and backbone, or architecture with its options and how it began."""
    architecture = record.architecture or record.name
    if record.kind == "head":
        return f"{record.head} on {architecture}" if record.head else record.name
    shape = [said(name, value) for name, value in sorted(_shape(record).items())]
    return " ".join(filter(None, [architecture, *shape, MODES.get(record.mode or "", "")]))


def _shape(record: Record) -> Options:
    """The architecture options that were given, here or to the run with whose weights the network began.

    Of the latter the record has the stem even where none was given: it is left out.
    """
    given = record.key.get("architecture") or {}
    if record.key.get("weights_run") is None or not isinstance(record, DoneRecord):
        return given
    own = {name: value for name, value in record.chosen.items() if name in options_of(Architecture) and name != "stem"}
    return {**own, **given}


def _options(record: Record, but: Sequence[str]) -> Options:
    """What may tell a run from others, by name."""
    dataset = record.dataset
    found = {
        "weights": None if record.weights in ("none", "untrained") else record.weights,
        "dataset": dataset and dataset.name,
        "classes": dataset and dataset.classes,
        **{name: dataset and getattr(dataset, name) for name in SUBSETS},
        "image_size": record.image_size,
        **(_of_network(record.key) if record.kind == "network" else _of_head(record)),
        "seed": record.seed,
    }
    return {name: value for name, value in found.items() if name not in but}


def _of_head(record: Record) -> Options:
    spec, key = {} if record.features is None else record.features.spec, record.key
    features = {name: spec.get(name) for name in OF_FEATURES}
    chosen_by = {name: key.get(name) for name in ("validation", "criterion")}
    return {**features, **(key.get("options") or {}), **chosen_by}


def _of_network(key: Options) -> Options:
    recipe = key.get("recipe_options") or {}
    own = {name: key.get(name) for name in ("mode", "recipe", "validation", "refit")}
    return {**own, **recipe} if key.get("mode") != "scratch" else {**own, "mode": None, **recipe}


def _values(records: Sequence[Record], options: Sequence[Options]) -> dict[tuple[str, Group], Counter[str]]:
    """How often each value of an option occurs, among the runs within which it is compared."""
    found: dict[tuple[str, Group], Counter[str]] = {}
    for name in dict.fromkeys(name for present in options for name in present):
        for record, present in zip(records, options, strict=True):
            if name != "weights" or present.get(name) is not None:
                found.setdefault((name, _group(name, record)), Counter())[repr(present.get(name))] += 1
    return found


def _tells(values: Counter[str] | None, value: object) -> bool:
    """Whether a value belongs into a name: others differ, and no more than half of the runs have it."""
    return values is not None and len(values) > 1 and 2 * values[repr(value)] <= values.total()


def _group(name: str, record: Record) -> Group:
    """Among which runs an option is compared."""
    if name in SHARED:
        return None
    if record.kind == "network":
        return ("network", record.key.get("recipe") if name in (record.key.get("recipe_options") or {}) else None)
    return ("head", None if name in (*OF_FEATURES, "validation", "criterion") else record.head)


def _distinct(found: list[str], records: Sequence[Record], but: Sequence[str]) -> list[str]:
    """The names; those that several runs share with all that tells these apart, or with the runs' IDs."""
    shared = Counter(found)
    for name in [name for name, count in shared.items() if count > 1]:
        places = [place for place, one in enumerate(found) if one == name]
        present = [_options(records[place], but) | _drawn_by(records[place]) for place in places]
        known = dict.fromkeys(option for one in present for option in one)
        apart = [option for option in known if len({repr(one.get(option)) for one in present}) > 1]
        longer = [
            ", ".join([name, *filter(None, (said(option, one.get(option)) for option in apart))]) for one in present
        ]
        for place, full in zip(places, longer, strict=True):
            found[place] = full if longer.count(full) == 1 else f"{name}, run {records[place].run}"
    return found


def _drawn_by(record: Record) -> Options:
    """The seed that drew the record's subset: of several runs with one seed, it may be all that tells them apart."""
    return {"subset_seed": record.dataset and record.dataset.seed}


def _shortened(names: Sequence[str], width: int) -> dict[str, str]:
    """Each name without the parts that most others share, as far as it is longer than `width`."""
    counts = Counter(part for name in set(names) for part in name.split(", ")[1:])
    return {name: name if len(name) <= width else _shortest(name, counts, width) for name in names}


def _shortest(name: str, counts: Mapping[str, int], width: int) -> str:
    base, *parts = name.split(", ")
    kept: list[int] = []
    for place in sorted(range(len(parts)), key=lambda place: (counts[parts[place]], place)):
        whole = ", ".join([base, *(parts[at] for at in sorted([*kept, place])), MORE])
        kept += [place] if len(whole) <= width else []
    return ", ".join([base, *(parts[at] for at in sorted(kept)), MORE]) if parts else name


def _training_images(record: Record) -> int | None:
    """How many labeled images a run was given, those for validation included; None where that is not known."""
    dataset = record.dataset
    if dataset is not None and dataset.subset:
        return dataset.subset
    if isinstance(record, DoneRecord) and record.choice.training_rows:
        choice = record.choice
        return choice.training_rows if choice.refitted else choice.training_rows + choice.validation_rows
    facts = _facts(dataset)
    return None if facts is None else facts.train_count


def _facts(dataset: DatasetUse | None) -> "Facts | None":
    """What is known of a built-in data set that is used with all its classes."""
    from extract.data.datasets import FACTS  # which is slow to import

    return None if dataset is None or dataset.classes else FACTS.get(dataset.name)


def _counted(counts: Sequence[int | None], total: int | None) -> str:
    known = sorted({count for count in counts if count})
    return f"{_span(known)} of {total:,}" if known and total and known != [total] else _span(known)


def _span(values: Sequence[int]) -> str:
    """One number, both of two, or the ends of more."""
    if len(values) <= 2:
        return " and ".join(f"{value:,}" for value in values)
    return f"{values[0]:,} to {values[-1]:,}"
