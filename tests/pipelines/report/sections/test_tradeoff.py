"""Trade-offs: the front, and published points beside it."""

from hypothesis import given
from hypothesis import strategies as st

from extract.data import datasets
from pipelines.report.build import ReportRequest, build
from pipelines.report.sections.tradeoff import front

POINTS = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=12)


@given(POINTS)
def test_the_front_holds_exactly_what_no_other_beats(points):
    kept = {points[index] for index in front(points)}
    for point in points:
        beaten = any(o[0] <= point[0] and o[1] >= point[1] and o != point for o in points)
        assert (point in kept) != beaten


def test_published_points_stand_beside_runs_on_all_the_test_images_and_on_no_front(workspace, make, tmp_path):
    record, table = make.head("logistic", "resnet18", accuracy=0.9)
    data = {**record["dataset"], "name": "minicifar", "digest": datasets.digest("minicifar")}
    for test_subset, shown in ((None, True), (300, False)):
        make.put(workspace, ({**record, "dataset": {**data, "test_subset": test_subset}}, table))
        build(workspace, ReportRequest(tmp_path / "page.html"))
        text = (tmp_path / "page.html").read_text(encoding="utf-8")
        assert ("Published results on the test images of minicifar" in text) == shown
        assert ("a student&#39;s public slides" in text or "a student's public slides" in text) == shown
        assert ("On the front: logistic on resnet18. Hollow: published" in text) == shown
        assert ("parameters; hollow: published results" in text) == shown
