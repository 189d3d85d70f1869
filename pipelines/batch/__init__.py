"""Many jobs at once through joblib: where they run, what they may use, and what came of them."""

from pipelines.batch.engines import ENGINES, Engine
from pipelines.batch.run import Outcome, run

__all__ = ["ENGINES", "Engine", "Outcome", "run"]
