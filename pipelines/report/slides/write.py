"""The talk of a workspace -> a file: PowerPoint, or markdown with its pictures in a folder beside it."""

from pathlib import Path

from extract.errors import InvalidInputError, TransferBenchError
from pipelines.report import slides
from pipelines.report.page.blocks import Section
from pipelines.report.page.text import clipped
from pipelines.report.slides import markdown, talk
from pipelines.report.slides.layout import placed
from pipelines.report.study.study import Study
from pipelines.workspace import writable

KINDS = (".pptx", ".md")


def check(path: Path) -> None:
    """Raise `InvalidInputError` unless slides can be written at `path`, PowerPoint or markdown by its suffix."""
    writable.folder("slides", path.parent, named=path, remedy="Name another with --slides.")
    writable.check("slides", path, stream=False, kinds=KINDS)
    if path.suffix.lower() == ".pptx" and not slides.is_available():
        raise InvalidInputError(
            "python-pptx must be installed for --slides FILE.pptx; it is not. "
            "`pip install 'transfer-bench[slides]'` installs it; FILE.md needs nothing."
        )


def write(path: Path, study: Study, sections: list[Section], *, title: str, made: str) -> int:
    """Write the slides of a study and its report's sections; returns how many there are.

    A slide that cannot be drawn becomes one of the study's problems.
    """
    pages = []
    for one in talk.slides(study, sections, title=title, made=made):
        try:
            pages.append((one, placed(one, study.images.thumbnails)))
        except TransferBenchError as error:
            study.problems.append(f"slide {clipped(one.title)} is left out: {error}")
    if path.suffix.lower() == ".pptx":
        from pipelines.report.slides.powerpoint import presentation

        writable.write("slides", path, presentation(pages))
        return len(pages)
    folder = path.with_name(f"{path.stem}-pictures")
    text, pictures = markdown.document(pages, folder=folder.name)
    writable.folder("pictures of the slides", folder, named=path, remedy="Name another with --slides.")
    for name, content in pictures.items():
        writable.write("picture", folder / name, content)
    writable.write("slides", path, text)
    return len(pages)
