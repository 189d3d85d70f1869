"""Maps of the embeddings: test images of a feature file in the plane, by PCA and t-SNE, with the images on hover."""

from pathlib import Path

import numpy as np

from extract.data.images import stratified_rows
from extract.errors import TransferBenchError
from pipelines.report.charts import vega
from pipelines.report.page import theme
from pipelines.report.page.blocks import Block, Datum, Figure, Figures, Section, Spec
from pipelines.report.page.text import clipped
from pipelines.report.sections.confusion import names
from pipelines.report.study.study import Study
from pipelines.workspace.schema import DoneRecord

POINTS = 400
MAPS = 3  # backbones a test set
METHODS = {"pca": "PCA", "tsne": "t-SNE"}


def section(study: Study) -> Section:
    """PCA and t-SNE of the backbones with the best heads, where a feature file of a run is in the workspace."""
    files = _files(study)
    blocks: list[Block] = []
    for test_set in study.test_sets():
        best: dict[tuple[object, ...], DoneRecord] = {}
        for result in test_set.results:
            if _content(result) in files:  # files that differ by their training rows only have the same map
                best.setdefault((result.architecture, result.weights, result.image_size), result)
        blocks += [Figures(_maps(files[_content(result)], result, study)) for result in list(best.values())[:MAPS]]
    return Section(
        "embeddings",
        "Map of the embeddings",
        f"A stratified sample of up to {POINTS} test images, placed by their frozen features alone. A head uses all "
        "dimensions: classes that overlap here may still be told apart. Point at one to see the image. t-SNE keeps "
        "neighbors, not distances.",
        blocks,
    )


def _content(result: DoneRecord) -> str:
    return str(result.key.get("features"))


def _files(study: Study) -> dict[str, Path]:
    """Content digest -> feature file, for the feature files that the study's runs read."""
    wanted = {_content(result) for result in study.results if result.kind == "head"}
    found: dict[str, Path] = {}
    for path in sorted((study.workspace / "features").glob("*.h5")) if wanted else ():
        from extract.features.store import FeatureFile

        try:
            content = FeatureFile(path).content
        except TransferBenchError as error:
            study.problems.append(str(error))
            continue
        if content in wanted:
            found[content] = path
    return found


def _maps(path: Path, result: DoneRecord, study: Study) -> list[Figure]:
    from extract.features.store import FeatureFile
    from heads.kernel.projection import project

    split = FeatureFile(path).read("test")
    rows = stratified_rows(split.labels, min(POINTS, len(split.labels)), seed=0)
    features = split.features[0][rows].astype(np.float64)
    features = (features - features.mean(axis=0)) / (features.std(axis=0) + 1e-6)
    shown = study.images.test_split(result)  # matched by image id: a file may lack images that the folder has
    places = {} if shown is None else {name: place for place, name in enumerate(shown.ids)}
    class_names = names(result, int(split.labels.max()) + 1)
    images = [{"class": class_names[split.labels[row]], "id": clipped(split.ids[row], 80)} for row in rows]
    for image, row in zip(images, rows, strict=True):
        if key := study.images.key(result, places.get(split.ids[row], -1)):
            image["image"] = f"thumbnail:{key}"
    figures = []
    for method, title in METHODS.items():
        points = [[round(float(at), 4) for at in point] for point in project(features, method)]
        values = [{"x": x, "y": y, **image} for (x, y), image in zip(points, images, strict=True)]
        chart, beyond = _chart(values, class_names)
        caption = f"{len(values)} test images{f', {beyond} of them beyond the frame' if beyond else ''}."
        title = f"{clipped(result.architecture, 40)}, {title}"
        figures.append(vega.of_run(result, f"map-{method}", title, caption, chart))
    return figures


def _chart(values: list[Datum], class_names: list[str]) -> tuple[Spec, int]:
    """(the map, how many of its points lie beyond the frame). A legend that picks a class stands over up to ten."""
    params, opacity = vega.picked("class", 0.8, 0.06)
    few = len(class_names) <= 10
    legend: Spec | None = {"columns": 5, "labelLimit": 90} if few else None
    tips = vega.tip(("class", "Class"), ("id", "Image"))
    tips += vega.tip(("image", "image")) if any("image" in value for value in values) else []
    bare = {"labels": False, "ticks": False, "domain": False, "grid": False}
    frame = {axis: vega.bulk_domain([one[axis] for one in values]) for axis in "xy"}
    beyond = sum(not all(low <= one[axis] <= high for axis, (low, high) in frame.items()) for one in values)
    sides = {
        axis: {**vega.plain(axis), "title": None, "axis": bare, "scale": {"domain": ends}}
        for axis, ends in frame.items()
    }
    points = vega.mark(
        "point",
        values,
        {"filled": True, "size": 42, "clip": True},
        **sides,
        color=vega.kinds("class", class_names, theme.class_colors(len(class_names)), legend=legend),
        opacity=opacity if few else {"value": 0.8},
        tooltip=tips,
    )
    return {**points, **({"params": params} if few else {})}, beyond
