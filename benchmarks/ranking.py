"""How well LogME, the H-score and the probe of `pipeline rank` order backbones, by the test accuracy of a full head.

Eleven backbones on scikit-learn's digits at 64 pixels: eight tiny untrained ones of timm, three with packaged weights.

    python -m benchmarks.ranking WORKSPACE
"""

import sys
from pathlib import Path

from scipy.stats import kendalltau, spearmanr

from benchmarks.hardware import write
from pipelines.specs import ExtractSpec, HeadSpec
from pipelines.tasks.fit_head import FitHeadRequest, fit
from pipelines.tasks.inspection.rank import rank
from pipelines.workspace.context import Context

TINY = ("test_byobnet", "test_efficientnet", "test_resnet", "test_convnext", "test_nfnet", "test_vit", "test_vit2")
TINY = (*TINY, "test_mambaout")
PACKAGED = ("tf_efficientnet_lite0", "tf_efficientnet_lite1", "tf_efficientnet_lite2")
ROWS = 500


def main() -> None:
    """Writes the result file."""
    context = Context(Path(sys.argv[1]))
    kinds = {**dict.fromkeys(TINY, "untrained"), **dict.fromkeys(PACKAGED, "packaged")}
    specs = [
        ExtractSpec.of({"dataset": "digits", "image_size": 64, "backbone": name, "weights": weights})
        for name, weights in kinds.items()
    ]
    found = rank(specs, rows=ROWS, context=context)
    request = FitHeadRequest(HeadSpec.of({"c_grid": "1e-4,1e-3,1e-2,1e-1,1"}))
    accuracy = {spec.backbone: fit(request, spec, context).heads[0].record.test.accuracy for spec in specs}
    rows = [
        {"backbone": one.backbone, "probe": one.accuracy, "logme": one.logme, "h_score": one.h_score}
        | {"test_accuracy": accuracy[one.backbone]}
        for one in found.backbones
    ]
    measured = [row["test_accuracy"] for row in rows]
    correlations = {
        name: {
            "spearman": float(spearmanr([row[name] for row in rows], measured).statistic),
            "kendall": float(kendalltau([row[name] for row in rows], measured).statistic),
        }
        for name in ("probe", "logme", "h_score")
    }
    results = {"rows": ROWS, "backbones": rows, "recommended": found.recommended, "correlations": correlations}
    print(results, write("ranking", results, libraries=("torch", "timm", "scipy", "numpy")))


if __name__ == "__main__":
    main()
