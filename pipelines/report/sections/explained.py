"""What networks see, where `pipeline explain` kept it, and the loss around the one for which it was asked."""

from collections.abc import Mapping, Sequence

from extract.errors import CorruptFileError
from extract.runtime.formats import percent
from pipelines.report.charts import vega
from pipelines.report.page import theme
from pipelines.report.page.blocks import Datum, Figure, Section, Spec
from pipelines.report.page.text import clipped
from pipelines.report.sections.confusion import names, sureness
from pipelines.report.study.study import Study
from pipelines.tasks import explain
from pipelines.tasks.explain import ExplainedImage, KeptLandscape, KeptPictures, kept_pictures
from pipelines.workspace.schema import DoneRecord

COLUMNS, STAGES = explain.EXPLAINED, 6
SIDE, LINE = 80, 16  # pixels of an image and of a line of text
FILTERS_A_LINE, FILTER_SIDE = 16, 36
NETWORKS = 4
CEILING = 6.0  # times the loss at the network: what lies above is drawn as that, or the valley would have no color left
PARTS = ("image", "evidence\nfor answer", "evidence\nfor truth")
Cells = Sequence[tuple[Sequence[str | None], Sequence[str]]]  # of a column: images one below the other, lines of text


def pictures(study: Study) -> Section:
    """The pictures of the most accurate networks of which there are some."""
    found = [(one, _kept(study, one)) for one in study.results if one.kind == "network"]
    shown = [(result, kept) for result, kept in found if kept is not None][:NETWORKS]
    return Section(
        "explained",
        "What the network sees",
        "Grad-CAM (Selvaraju et al., 2017) colors where the evidence for a class lies, gray (none) to yellow (most), "
        "coarsely: the last maps have few positions. It says where, not what. The maps after each stage show "
        "what is near to what in all dimensions, squeezed into two; t-SNE keeps neighbors, not distances.",
        [figure for result, kept in shown for figure in _figures(study, result, kept)],
    )


def _kept(study: Study, result: DoneRecord) -> KeptPictures | None:
    try:
        return kept_pictures(study.workspace, result.run)
    except CorruptFileError as error:
        study.problems.append(str(error))
        return None


def _figures(study: Study, result: DoneRecord, kept: KeptPictures) -> list[Figure | None]:
    short = _short(study, result)
    known = [*kept["labels"], *(one["label"] for one in kept["augmented"])]
    known += [one[side] for one in (*kept["right"], *kept["wrong"]) for side in ("true", "predicted")]
    classes = [clipped(name, 12) for name in names(result, max(known) + 1)]
    batch = [([one["image"]], [classes[one["label"]]]) for one in kept["augmented"]]
    maps = [uri for one in (*kept["right"], *kept["wrong"]) if (uri := one["predicted_map"])]
    right = [([one["image"], one["predicted_map"]], _said(one, classes)) for one in kept["right"] if maps]
    wrong = [
        ([one["image"], one["predicted_map"], one["true_map"]], [*_said(one, classes), f"is {classes[one['true']]}"])
        for one in kept["wrong"]
        if maps
    ]
    captions = (
        "Images of the training split as the recipe augments them in its first epoch, under their classes.",
        "Test images with a right answer, and its probability.",
        "Wrong answers given with most confidence, their probability, and the true class.",
    )
    return [
        _grid(result, "augmented", f"Augmented batch, {short}", captions[0], batch),
        _filters(result, f"First-layer filters, {short}", kept["filters"]),
        _grid(result, "grad-cam-right", f"Grad-CAM, right answers, {short}", captions[1], right),
        _grid(result, "grad-cam-wrong", f"Grad-CAM, confident errors, {short}", captions[2], wrong),
        _stages(result, f"Embeddings by depth, {short}", kept, classes),
    ]


def _said(one: ExplainedImage, classes: Sequence[str]) -> list[str]:
    return [classes[one["predicted"]], sureness(one["probability"])]


def _grid(result: DoneRecord, name: str, title: str, caption: str, cells: Cells) -> Figure | None:
    """Columns of images with their texts, `COLUMNS` in a line."""
    if not cells:
        return None
    images, texts = [], []
    height = max(SIDE * len(uris) + LINE * (len(lines) + 1) for uris, lines in cells)
    for place, (uris, lines) in enumerate(cells):
        x, top = place % COLUMNS + 0.5, place // COLUMNS * height
        below = top + SIDE * len(uris)
        images += [{"x": x, "y": top + SIDE * (row + 0.5), "url": uri} for row, uri in enumerate(uris) if uri]
        texts += [{"x": x, "y": below + LINE * (row + 0.7), "text": line} for row, line in enumerate(lines)]
    parts = len(cells[0][0])
    titles = dict(zip((SIDE * (part + 0.5) for part in range(parts)), PARTS, strict=False)) if parts > 1 else {}
    layers = [_images(images, SIDE - 4), _texts(texts)]
    chart = _laid(layers, COLUMNS, -(-len(cells) // COLUMNS) * height, titles=titles)
    return vega.of_run(result, name, title, caption, chart, shape="wide", least_width=(COLUMNS + 1) * (SIDE + 4))


def _filters(result: DoneRecord, title: str, filters: Sequence[str]) -> Figure | None:
    if not filters:
        return None
    lines = -(-len(filters) // FILTERS_A_LINE)
    values = [
        {"x": place % FILTERS_A_LINE + 0.5, "y": FILTER_SIDE * 1.25 * (place // FILTERS_A_LINE + 0.5), "url": uri}
        for place, uri in enumerate(filters)
    ]
    chart = _laid([_images(values, FILTER_SIDE)], FILTERS_A_LINE, FILTER_SIDE * 1.25 * lines)
    caption = "Each on a scale of its own: gray is zero."
    return vega.of_run(
        result, "filters", title, caption, chart, shape="wide", least_width=FILTERS_A_LINE * (FILTER_SIDE + 2)
    )


def _stages(result: DoneRecord, title: str, kept: KeptPictures, classes: Sequence[str]) -> Figure | None:
    """PCA above t-SNE for each stage, at most `STAGES` of them: the last, and others evenly before it."""
    found = kept["stages"]
    step = max(-(-len(found) // STAGES), 1)
    shown = found[::-1][::step][::-1]
    if not shown:
        return None
    panel, top = 150, 2 * LINE
    points: list[Datum] = []
    for column, stage in enumerate(shown):
        for row, table in enumerate((stage["pca"], stage["tsne"])):
            middle = top + panel * (row + 0.5)
            points += [
                {"x": column + 0.5 + 0.46 * x, "y": middle - 0.46 * panel * y, "class": classes[label]}
                for (x, y), label in zip(table, kept["labels"], strict=True)
            ]
    few = len(classes) <= len(theme.CLASS_COLORS)
    color = vega.kinds("class", classes, theme.class_colors(len(classes)), legend={"columns": 5} if few else None)
    look: Spec = {"filled": True, "size": 16, "opacity": 0.8}
    dots = vega.mark("point", points, look, **_PLACES, color=color, tooltip=vega.tip(("class", "Class")))
    heads = [
        {"x": at + 0.5, "y": LINE * row + 5, "text": text}
        for at, one in enumerate(shown)
        for row, text in enumerate((clipped(one["stage"], 16), f"nearest alike {percent(one['nearest'], 0)}"))
    ]
    titles = {top + panel * (row + 0.5): text for row, text in enumerate(("PCA", "t-SNE"))}
    chart = _laid([dots, _texts(heads)], len(shown), top + 2 * panel, titles=titles)
    caption = (
        f"{len(kept['labels'])} test images by what leaves each stage, the mean over places. "
        "Nearest alike: the share whose nearest neighbor, in all dimensions, is of the same class."
    )
    return vega.of_run(result, "stages", title, caption, chart, shape="wide", least_width=110 * len(shown))


def _short(study: Study, result: DoneRecord) -> str:
    row = study.row_of(result.run)
    return result.name if row is None else row.short


_PLACES: Spec = {"x": vega.plain("x"), "y": vega.plain("y")}


def _laid(layers: list[Spec], columns: int, height: float, *, titles: Mapping[float, str] | None = None) -> Spec:
    """Layers whose x counts columns and whose y are pixels from above, without axes; `titles` stand before, by y."""
    room = 0.1 * columns if titles else 0
    bare: Spec = {"type": "quantitative", "axis": None}
    x = {**bare, "field": "x", "scale": {"domain": [-room, columns], "nice": False}}
    y = {**bare, "field": "y", "scale": {"domain": [height, 0], "nice": False}}
    before = [{"x": -room, "y": at, "text": text} for at, text in (titles or {}).items()]
    layers = [*layers, _texts(before, align="left", lineBreak="\n")] if titles else layers
    return {"layer": layers, "encoding": {"x": x, "y": y}, "height": height}


def _images(values: list[Datum], side: int) -> Spec:
    return vega.mark("image", values, {"width": side, "height": side}, url=vega.words("url"))


def _texts(values: list[Datum], **look: str) -> Spec:
    return vega.mark("text", values, {"fontSize": 12, **look}, text=vega.words("text"))


def loss_landscape(study: Study) -> Section:
    """The landscape around the network that the report was asked for."""
    return Section(
        "loss-landscape",
        "Loss landscape",
        f"The mean loss of {explain.IMAGES} images of the training split, validation images included, on one plane "
        "through the weights: two random directions, each filter as long as the network's own (Li et al., 2018). The "
        "cross is the network. Other directions give other pictures, and nothing here measures how easy training is.",
        [_landscape(study, *study.landscape)] if study.landscape is not None else [],
    )


def _landscape(study: Study, result: DoneRecord, found: KeptLandscape) -> Figure:
    steps, half = found["steps"], (found["steps"][1] - found["steps"][0]) / 2
    middle = found["loss"][explain.SIDE // 2][explain.SIDE // 2] or 0.0
    top = CEILING * max(middle, 0.3)
    values = [
        {
            "left": across - half,
            "right": across + half,
            "bottom": along - half,
            "top": along + half,
            "loss": top if loss is None else min(loss, top),
            "shown": "not finite" if loss is None else f"{loss:.4g}",
        }
        for across, losses in zip(steps, found["loss"], strict=True)
        for along, loss in zip(steps, losses, strict=True)
    ]
    edge = [steps[0] - half, steps[-1] + half]
    legend = {"title": "loss, nats", "gradientLength": 180}
    cells = vega.mark(
        "rect",
        values,
        {"stroke": None},
        x=vega.number("left", "first direction, filter norms", domain=edge, grid=False),
        x2={"field": "right"},
        y=vega.number("bottom", "second direction, filter norms", domain=edge, grid=False),
        y2={"field": "top"},
        color={**vega.plain("loss"), "scale": {"scheme": "cividis", "reverse": True}, "legend": legend},
        tooltip=vega.tip(("shown", "Loss, nats")),
    )
    look: Spec = {"shape": "cross", "size": 90, "filled": True, "color": theme.VERMILLION}
    cross = vega.mark("point", [{"left": 0, "bottom": 0}], look, x=vega.plain("left"), y=vega.plain("bottom"))
    caption = f"Loss {middle:.3g} at the network; above {top:.3g} the color stays the same."
    title = f"Around {_short(study, result)}"
    return vega.of_run(result, "loss-landscape", title, caption, {"layer": [cells, cross]})
