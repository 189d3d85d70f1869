"""Which slides a workspace has, and what stands on them."""

from types import SimpleNamespace

from pipelines.report.build import SECTIONS
from pipelines.report.page.blocks import Gallery
from pipelines.report.slides import talk
from pipelines.report.slides.slide import Grid, Words
from pipelines.report.study.study import gather
from pipelines.workspace import stored
from tests.pipelines.report.slides.conftest import told


def test_a_slide_is_left_out_where_there_is_nothing_for_it(one, fifty, hostile):
    assert one.titles == [
        "A talk", "Task and protocol", "Architecture: resnet20", "One block of resnet20", "Results on the test images",
        "Conclusion", "Sources",
    ]  # fmt: skip
    assert "Results on the test images: the 12 most accurate of 50" in fifty.titles
    assert "Transfer against training from scratch" in fifty.titles
    assert not any(title.startswith("Ablation") for title in hostile.titles)
    assert {"Search space and strategy", "Accuracy against parameters"} < set(hostile.titles)


def test_the_slide_of_a_search_has_the_space_that_was_searched_not_what_happened_to_be_tried(hostile):
    said = hostile.texts("Search space and strategy")
    assert "learning rate: 1e-05 to 1, log scale" in said
    assert "'dropout: 0 to 0.5'" in said
    assert "optimizer: sgd and adamw" in said
    assert "'batch size: 64'" in said


def test_task_and_protocol_come_from_the_record(one):
    said = one.texts("Task and protocol")
    assert "10 classes" in said
    assert "digits, 1,437 training and 360 test images" in said
    assert "144 validation images" in said
    assert "a processor, 2 cores" in said


def test_tables_hold_as_many_rows_as_fit_and_the_best_first(fifty):
    slide = next(parts for slide, parts in fifty.slides if slide.title.startswith("Results"))
    grid = next(part for part in slide if isinstance(part, Grid))
    assert [row[0] for row in grid.rows] == ["#", *map(str, range(1, 13))]
    accuracies = [float(row[2]) for row in grid.rows[1:]]
    assert accuracies == sorted(accuracies, reverse=True)


def test_the_notes_explain_every_slide_but_the_sources(hostile):
    assert [slide.title for slide, _ in hostile.slides if not slide.notes] == ["Sources"]
    assert "Pareto front" in hostile.texts("Accuracy against parameters")


def test_an_ablation_says_where_no_difference_is_shown(workspace, make: SimpleNamespace):
    make.put(workspace, make.head("logistic", "resnet50", accuracy=0.9))
    row = {"options": {}, "accuracies": [0.9, 0.92], "seconds": 1.0, "p_value": 0.04}
    rows = [
        {**row, "name": "no flips", "difference": -0.03, "interval": [-0.05, -0.01]},
        {**row, "name": "batch size 64", "difference": 0.01, "interval": [-0.01, 0.03]},
    ]
    (workspace / "ablations").mkdir()
    options = {"network": "resnet20", "learning_rate": 0.1, **{f"option_{number}": number for number in range(40)}}
    counts = {"seeds": [0, 1], "validation_rows": 144, "seconds": 1.0}
    common = {**counts, "options": options, "failures": [], "created": "2026"}
    found = {
        **common,
        "name": "a",
        "base": "resnet20 on digits",
        "dataset": "digits",
        "accuracies": [0.9],
        "rows": rows,
    }
    stored.write(workspace / "ablations" / "a.json", {**found, "rows": rows})
    parts = next(parts for slide, parts in told(workspace, figures=False).slides if slide.title.startswith("Ablation"))
    [lead] = next(part.paragraphs for part in parts if isinstance(part, Words) and part.role == "lead")
    assert lead.startswith("Base: resnet20 on digits, validation accuracy 90.00 %, mean over 2 seeds with 144 images")
    assert lead.endswith("95 % intervals over seeds and images, corrected for 2 changes by Holm.")
    grid = next(part for part in parts if isinstance(part, Grid))
    assert [row[:4] for row in grid.rows[1:]] == [
        ["batch size 64", "91.00", "+1.00 (−1.00 to +3.00)", "no difference shown"],
        ["no flips", "91.00", "−3.00 (−5.00 to −1.00)", "worse"],
    ]


def test_the_misclassified_images_are_those_of_the_data_of_the_talk(workspace, make: SimpleNamespace):
    """Of two data sets on which runs have the same name, the images of the other one alone are at hand."""
    for number, name in enumerate(("photos", "photos", "digits")):
        record, table = make.head(
            "logistic", f"backbone{number % 2}", accuracy=0.95 - number / 20, run=make.run_name(str(number))
        )
        data = {**record["dataset"], "name": name}
        data |= {} if name == "digits" else {"digest": "a" * 64, "test_images": "a" * 64}
        make.put(workspace, ({**record, "dataset": data}, table))
    study = gather(workspace, None)
    sections = [section for make in SECTIONS if (section := make(study)).blocks]
    slides = talk.slides(study, sections, title="A talk", made="today")
    [slide] = [one for one in slides if one.title.startswith("What is misclassified: logistic on backbone0")]
    assert "photos" in slide.foot
    assert not any(isinstance(block, Gallery) for column in slide.columns for block in column)


def test_a_best_run_that_the_test_images_picked_is_no_choice_before_them(workspace, make: SimpleNamespace):
    for number in range(2):
        record, table = make.network(f"resnet{number}", "scratch", accuracy=0.9 - number / 10)
        make.put(workspace, ({**record, "validation": None}, table))
    said = told(workspace, figures=False).texts("Task and protocol")
    assert "The test images are scored once, after every choice but that of the best run." in said


def test_what_is_said_of_the_validation_images_holds_for_every_run(workspace, make: SimpleNamespace):
    """A refitted head, the best, beside networks that keep their validation images to themselves, or have none."""
    for name, rows, refitted in (("resnet20", 144, True), ("vgg11", 288, False), ("vgg13", 0, False)):
        record, table = make.network(name, "scratch", accuracy=0.9)
        choice = {**record["choice"], "validation_rows": rows, "refitted": refitted}
        changes = {"choice": choice} | ({} if rows else {"validation": None})
        make.put(workspace, ({**record, **changes}, table))
    assert (
        "Hyperparameters and epochs are chosen on 144 to 288 validation images, which are split off the training "
        "images and in 1 of 3 runs trained on as well once the choice is made; in 1 of 3 runs there are none, and "
        "nothing is chosen."
    ) in told(workspace, figures=False).texts("Task and protocol")
