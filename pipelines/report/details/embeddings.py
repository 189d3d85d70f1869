"""Maps of the embeddings: test images of a feature file in the plane, by PCA and t-SNE, with the images on hover."""

from pathlib import Path
from typing import Any

import altair as alt
import numpy as np

from extract.data.images import stratified_rows
from extract.errors import TransferBenchError
from pipelines.report.details.confusion import names
from pipelines.report.page import theme
from pipelines.report.page.blocks import Block, Figure, Figures, Section
from pipelines.report.page.text import clipped
from pipelines.report.study.images import Images
from pipelines.report.study.results import Result
from pipelines.report.study.study import Study
from pipelines.workspace import naming

POINTS = 400
MAPS = 3  # backbones a test set
METHODS = {"pca": "PCA", "tsne": "t-SNE"}


def section(study: Study, images: Images) -> Section | None:
    """PCA and t-SNE of the backbones with the best heads; None where no feature file of a run is in the workspace."""
    files = _files(study)
    blocks: list[Block] = []
    for test_set in study.test_sets():
        best: dict[tuple[Any, ...], Result] = {}
        for result in test_set.results:
            if _content(result) in files:  # files that differ by their training rows only have the same map
                best.setdefault((result.architecture, result.weights, result.image_size), result)
        for result in list(best.values())[:MAPS]:
            blocks.append(Figures(_maps(files[_content(result)], result, images)))
    if not blocks:
        return None
    return Section(
        "embeddings",
        "Map of the embeddings",
        f"A stratified sample of up to {POINTS} test images, placed by their frozen features alone. A head uses all "
        "dimensions: classes that overlap here may still be told apart. Point at one to see the image. t-SNE keeps "
        "neighbors, not distances.",
        blocks,
    )


def _content(result: Result) -> str:
    key = result.record.get("key")
    return str(key.get("features")) if isinstance(key, dict) else ""


def _files(study: Study) -> dict[str, Path]:
    """Content digest -> feature file, for the feature files that the study's runs read."""
    wanted = {_content(result) for result in study.results if result.kind == "head"}
    found: dict[str, Path] = {}
    paths = sorted((study.workspace / "features").glob("*.h5")) if wanted else []
    for path in paths:
        from extract.features.store import FeatureFile

        try:
            content = FeatureFile(path).content
        except TransferBenchError as error:
            study.problems.append(str(error))
            continue
        if content in wanted:
            found[content] = path
    return found


def _maps(path: Path, result: Result, images: Images) -> list[Figure]:
    from extract.features.store import FeatureFile
    from heads.kernel.projection import project

    split = FeatureFile(path).read("test")
    count = min(POINTS, len(split.labels))
    rows = stratified_rows(split.labels, count, seed=0)
    features = split.features[0][rows].astype(np.float64)
    features = (features - features.mean(axis=0)) / (features.std(axis=0) + 1e-6)
    labels = split.labels[rows]
    pictured = _keys(split.ids, rows, result, images)
    class_names = names(result, int(split.labels.max()) + 1)
    figures = []
    for method, title in METHODS.items():
        points = project(features, method)
        values = [
            {
                "x": round(float(point[0]), 4),
                "y": round(float(point[1]), 4),
                "class": class_names[label],
                "id": clipped(split.ids[row], 80),
                **({"image": f"thumbnail:{key}"} if key else {}),
            }
            for point, label, row, key in zip(points, labels, rows, pictured, strict=True)
        ]
        figures.append(_figure(values, class_names, title, result))
    return figures


def _keys(ids: tuple[str, ...], rows: np.ndarray, result: Result, images: Images) -> list[str]:
    """Thumbnail keys of the sampled rows, matched by image id: a file may lack images that the folder has."""
    found = images.test_split(result)
    places = {} if found is None else {name: place for place, name in enumerate(found.ids)}
    return [images.key(result, places[ids[row]]) if ids[row] in places else "" for row in rows]


def _figure(values: list[dict[str, Any]], class_names: list[str], title: str, result: Result) -> Figure:
    near = alt.selection_point(fields=["class"], bind="legend")
    few = len(class_names) <= 10
    color = alt.Color(
        field="class",
        type="nominal",
        scale=alt.Scale(domain=class_names, range=_colors(len(class_names))),
        legend=alt.Legend(title=None, columns=5, labelLimit=90) if few else None,
    )
    bare = alt.Axis(labels=False, ticks=False, domain=False, grid=False)
    shown = theme.tip(("class", "Class"), ("id", "Image"))
    frame = {
        axis: theme.bulk_domain([one[axis] for one in values], [(one[axis],) * 2 for one in values]) for axis in "xy"
    }
    beyond = sum(not all(frame[axis][0] <= one[axis] <= frame[axis][1] for axis in "xy") for one in values)
    if any("image" in value for value in values):
        shown.append(alt.Tooltip(field="image", type="nominal", title="image"))
    chart = (
        alt.Chart(theme.data(values))
        .mark_point(filled=True, size=42, clip=True)
        .encode(
            x=alt.X(field="x", type="quantitative", title=None, axis=bare, scale=alt.Scale(domain=frame["x"])),
            y=alt.Y(field="y", type="quantitative", title=None, axis=bare, scale=alt.Scale(domain=frame["y"])),
            color=color,
            opacity=alt.when(near).then(alt.value(0.8)).otherwise(alt.value(0.06)) if few else alt.value(0.8),
            tooltip=shown,
        )
    )
    chart = chart.add_params(near) if few else chart  # the legend chooses a class, and many classes have none
    return Figure(
        f"map-{'pca' if title == 'PCA' else 'tsne'}-{result.run}",
        f"{clipped(result.architecture, 40)}, {title}",
        f"{len(values)} test images{f', {beyond} of them beyond the frame' if beyond else ''}.",
        chart,
        shape="square",
        data=naming.data([result.record]),
    )


def _colors(count: int) -> list[str]:
    return [theme.CLASS_COLORS[index % len(theme.CLASS_COLORS)] for index in range(count)]
