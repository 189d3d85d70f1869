"""Many jobs at once through joblib: where they run, what they may use, and what came of them."""

from pipelines.batch.conduct import run
from pipelines.batch.engines import ENGINES, Engine
from pipelines.batch.work import Outcome

__all__ = ["ENGINES", "Engine", "Outcome", "run"]
