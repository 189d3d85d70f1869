"""A search as a file describes it: a space alone, or the `search` section of a study over the study's defaults."""

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from extract.runtime.options import Option, option, options_of
from pipelines.specs import ExtractSpec
from pipelines.specs.search import SearchSpec
from pipelines.studies import jobs, yaml_file
from pipelines.studies.option_section import OptionSection, searched_command
from pipelines.studies.study_file import Sections, read_defaults
from pipelines.studies.yaml_file import Pairs, YamlMap, refusal, structured

EXTRACTION = frozenset(field.name for field in dataclasses.fields(ExtractSpec))


@dataclass(frozen=True)
class _HeadSearchSpec(SearchSpec):
    """The options of a search over a head."""

    features: str | None = option(None, "A feature file, instead of the options that describe one.")


@dataclass(frozen=True)
class SearchFile:
    """The space as plain values (None: the built-in one), and the options that stand beside it and above it.

    An option is read by the type that what is searched wants, which the command line may say as well. `section` is all
    of it as it stands in the file; None in a study without a search.
    """

    section: object
    entries: object
    pairs: Pairs
    defaults: OptionSection

    def options(self, flags: Mapping[str, object]) -> dict[str, object]:
        """All options by name: the `flags` of a command line, then those of the section, then the study's defaults.

        A default counts as for a job: where what is searched has the option. It gives way to a space that varies
        the option, and to a feature file, which is described already. Raises `InvalidInputError` with the place of an
        option that is not known or that cannot be read.
        """
        command = searched_command({**dict(self.pairs), **flags})
        given = {**self._own(command), **flags}
        return {**self._inherited(command, given), **given}

    def _own(self, command: str) -> dict[str, object]:
        known, what = _known(command), "a head" if command == "fit-head" else "a network"
        return OptionSection(self.pairs, known=known, what=f"option of a search over {what}").values(known)

    def _inherited(self, command: str, given: Mapping[str, object]) -> dict[str, object]:
        found: dict[str, object] = {}
        hidden = {*given, *self._varied(command), jobs.REPEATS, *(EXTRACTION if "features" in given else ())}
        for name, default in self.defaults.lists(jobs.options(command)).items():
            if name in hidden:
                continue
            found[name], *others = default.values
            if others:
                sentence = f"default {name} must be one value for a search; got {len(default.values)}."
                raise refusal(default.place, f"{sentence} Give it under `search:`.")
        return found

    def _varied(self, command: str) -> Collection[str]:
        """The options that the space varies. Those of an extraction are none: a head may have some of that name."""
        names = {name.replace("-", "_") for name in self.entries} if isinstance(self.entries, Mapping) else set()
        return names - EXTRACTION if command == "fit-head" else names


def read(path: Path) -> SearchFile:
    """The search that a YAML file describes; of a study, its `search` section and its defaults.

    With a key `space`, or one that says what is searched, the others are options; else all of it is the space. Raises
    `InvalidInputError` with file, line and column for what is no YAML and for a key that stands twice.
    """
    root = yaml_file.read(path, what="search file")
    if root is None:
        raise refusal(path.name, "search file must name options to search; got an empty file. Leave it out.")
    sections = Sections(search=root)
    if isinstance(root, YamlMap) and not root.keys().isdisjoint(("search", "jobs", "ablation")):
        sections = structured(root, Sections, what="study")
    value, defaults = sections.search, read_defaults(sections)
    if not isinstance(value, YamlMap) or value.keys().isdisjoint(("space", "head", "network")):
        return SearchFile(value, _entries(value), [], defaults)
    return SearchFile(value, _entries(value.get("space")), value.pairs(but="space"), defaults)


def _entries(space: object) -> object:
    """A space as plain values, under keys that know their places."""
    if isinstance(space, YamlMap):
        return {key: yaml_file.plain(one) for key, one in space.items()}
    return yaml_file.plain(space)


def _known(command: str) -> dict[str, Option]:
    """The options of a search over what `command` makes, and of what is searched."""
    if command == "fit-head":
        heads = {name: one for name, one in jobs.options(command).items() if name != jobs.REPEATS}
        return {**heads, **options_of(_HeadSearchSpec), "network": jobs.options("train")["network"]}
    return {**jobs.options("finetune"), **options_of(SearchSpec), "head": jobs.options("fit-head")["head"]}
