"""Talks of three workspaces: one run only, fifty runs, and names that leave every box that lets them."""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipelines.report.build import SECTIONS
from pipelines.report.page.blocks import Figure
from pipelines.report.slides import talk
from pipelines.report.slides.layout import placed
from pipelines.report.slides.slide import Placed, Slide
from pipelines.report.study.study import gather

HOSTILE = [
    "<script>x</script> " + "n" * 280,
    "עברית \u202eתומך " * 25,
    "日本語の名前" * 50,
    "|`*_[x](y)#$ " * 25,
    "\x1b[31mred\x1b[0m" + "m" * 280,
    "\ufdfa" * 300,
    "W" * 300,
    "a --> b " * 37,
    "---",
    "1. first",
]
CHART = "<svg xmlns='http://www.w3.org/2000/svg' width='%d' height='%d'/>"


@dataclass(frozen=True)
class Talk:
    """Slides with their placed parts."""

    slides: list[tuple[Slide, list[Placed]]]

    @property
    def titles(self) -> list[str]:
        """Titles in order."""
        return [slide.title for slide, _ in self.slides]

    def texts(self, title: str) -> str:
        """All that stands on the slides of a title, blocks and notes."""
        return " ".join(f"{slide.columns} {slide.notes}" for slide, _ in self.slides if slide.title.startswith(title))


def told(workspace: Path, *, figures: bool = True) -> Talk:
    """The talk of a workspace; without the slides that have figures where these are not looked at."""
    study = gather(workspace, None)
    sections = [section for make in SECTIONS if (section := make(study)).blocks]
    slides = talk.slides(study, sections, title="A talk", made="today")
    drawn = [any(isinstance(part, Figure) for column in one.columns for part in column) for one in slides]
    kept = [one for one, has_figure in zip(slides, drawn, strict=True) if figures or not has_figure]
    return Talk([(one, placed(one, study.images.thumbnails)) for one in kept])


@pytest.fixture(scope="session")
def hostile(make: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Talk:
    """Networks and heads, classes and a search with hostile names."""
    workspace = tmp_path_factory.mktemp("hostile")
    for index, name in enumerate(HOSTILE):
        mode = ("scratch", "finetuned")[index % 2]
        changes = {"class_names": HOSTILE, "architecture": name, "name": name, "parameters": 10**5 * (index + 1)}
        record, table = make.network(name, mode, accuracy=0.7 + index / 40)
        make.put(workspace, ({**record, **changes}, table))
        record, table = make.head("logistic", name, accuracy=0.75)
        make.put(workspace, ({**record, "class_names": HOSTILE}, table))
    make.search(workspace, HOSTILE[2][:50])
    with pytest.MonkeyPatch.context() as patch:  # what stands in a chart is tested where charts are
        patch.setattr("pipelines.report.page.render.fitted", lambda figure, *, width, height: CHART % (width, height))
        return told(workspace)


@pytest.fixture(scope="session")
def fifty(make: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Talk:
    """Fifty runs, without figures."""
    workspace = tmp_path_factory.mktemp("fifty")
    for index in range(25):
        made = make.network(f"vgg{index}", "scratch", accuracy=0.6 + index / 80, parameters=1000 * (index + 1))
        make.put(workspace, made)
        make.put(workspace, make.head("logistic", f"backbone{index}", accuracy=0.7 + index / 100))
    return told(workspace, figures=False)


@pytest.fixture(scope="session")
def one(make: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Talk:
    """One network from scratch."""
    workspace = tmp_path_factory.mktemp("one")
    make.put(workspace, make.network("resnet20", "scratch", accuracy=0.9))
    return told(workspace, figures=False)


@pytest.fixture(scope="session")
def talks(one: Talk, fifty: Talk, hostile: Talk) -> list[Talk]:
    """All three."""
    return [one, fifty, hostile]
