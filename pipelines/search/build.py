"""From options by name, as a command line or a study gives them, to a subject and a search."""

from collections.abc import Callable, Mapping
from pathlib import Path

from extract.data.datasets import load
from extract.errors import InvalidInputError, unknown
from extract.runtime.options import options_of
from pipelines.search.head import HeadSubject
from pipelines.search.subject import Subject, require_validation
from pipelines.specs import ExtractSpec, HeadSpec, NetworkSpec, locate, with_own_network
from pipelines.specs.search import SearchSpec
from pipelines.specs.spec import Fields, RawOptions
from pipelines.studies import plan
from pipelines.studies.jobs import Job
from pipelines.tasks import fit_head
from pipelines.training.images import training_split
from pipelines.workspace.context import Context

OWN = tuple(options_of(SearchSpec))


def build(raw: RawOptions, *, entries: object, context: Context) -> tuple[Subject, SearchSpec]:
    """The subject and the search that the options `raw` describe, by the names of the specs' fields.

    `head` or `network` says what is searched (neither: the logistic head); `features` may name a feature file.
    Features that a head needs are extracted when they are first read, where they are not there. Raises
    `InvalidInputError` for an option that is not known or can never be right.
    """
    options: Fields = {name: value for name, value in raw.items() if value is not None}
    if "head" in options and "network" in options:
        raise InvalidInputError(
            f"search must be of a head or of a network; got {options['head']!r} and {options['network']!r}. "
            "Leave one out."
        )
    rest = _of_subject(options)
    spec = SearchSpec(entries, **{name: options[name] for name in OWN if name in options})
    if "network" in options:
        return _network(rest, context), spec
    subject = _head(rest, context)
    if "batch_size" in rest and "batch_size" in _varied(subject, entries):
        context.notice(
            f"batch size {rest['batch_size']} is the extraction's; the head's is searched "
            "(--option batch_size=N fixes it)"
        )
    return subject, spec


def _varied(subject: HeadSubject, entries: object) -> set[str]:
    """The options that the search varies."""
    space = subject.default_space() if entries is None else entries
    return {str(name).replace("-", "_") for name in space} if isinstance(space, Mapping) else set()


def _head(options: Fields, context: Context) -> HeadSubject:
    extraction, head = ExtractSpec.declared(), HeadSpec.declared()
    _refuse_unknown(options, known=[*extraction, *head, "features"], what="a head")
    spec = HeadSpec.of({name: value for name, value in options.items() if name in head})
    require_validation(spec.validation_part())
    described = {name: value for name, value in options.items() if name in extraction}
    return HeadSubject(spec, features=_features(spec, described, context, file=options.get("features")))


def _network(options: Fields, context: Context) -> Subject:
    from pipelines.search.network import NetworkSubject

    return NetworkSubject(network_spec(options), context=context)


def network_spec(options: Fields) -> NetworkSpec:
    """The network of a search by its options, those of the search itself left out."""
    _refuse_unknown(options, known=[*NetworkSpec.declared()], what="a network")
    mode = "scratch" if options.get("weights", "none") == "none" else "full"
    return NetworkSpec.of({"validation": 0.1, "mode": mode, **options})


def trials(raw: RawOptions) -> tuple[int, Job | None]:
    """(Number of trials of a search, the training that each is at most); None for a head, whose trials are quick."""
    count = int(str(raw.get("trials") or SearchSpec.trials))
    if "network" not in raw:
        return count, None
    return count, Job("train", network=network_spec(_of_subject(raw)))


def _of_subject(raw: RawOptions) -> Fields:
    return {name: value for name, value in raw.items() if value is not None and (name not in OWN or name == "seed")}


def _features(head: HeadSpec, described: Fields, context: Context, *, file: object) -> Callable[[], Path]:
    """Gives the feature file that was named or described; else the workspace's newest, else the default one.

    What can never be right is refused now; what could not be searched on it is refused before it is extracted.
    """
    from pipelines.tasks.extract import extract
    from pipelines.tasks.features import newest

    more = sorted(described.keys() - {"seed", "data_dir"})
    if file is not None:
        if more:
            raise InvalidInputError(
                f"features must come from a file or from options, not both; got features and {more[0]}. Leave one out."
            )
        return lambda: Path(str(file))
    spec = ExtractSpec.of(with_own_network("backbone", described, context.workspace))
    plan.check(Job("fit-head", spec, head), workspace=context.workspace)

    def found() -> Path:
        kept = None if more else newest(context.workspace, notice=context.notice)
        if kept is not None:
            context.notice(f"using the workspace's newest features, {kept.name}")
            return kept
        split = training_split(spec, load(locate(spec, context.workspace)))
        fit_head.check_rows(head, split.labels, split.groups)
        return extract(spec, context).path

    return found


def _refuse_unknown(options: Fields, *, known: list[str], what: str) -> None:
    for name in options:
        if name not in known:
            raise unknown(f"option of a search over {what}", name=name, known=[*known, *OWN])
