"""How long the stages of an answer take."""

from time import perf_counter


class Laps:
    """Seconds by stage, measured from one lap to the next."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = perf_counter()

    def lap(self, stage: str) -> None:
        """What has passed since the last lap was spent on ``stage``."""
        now = perf_counter()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._last
        self._last = now

    def shared(self, n: int) -> dict[str, float]:
        """Stage -> seconds, divided by ``n``."""
        return {stage: spent / n for stage, spent in self.seconds.items()}
