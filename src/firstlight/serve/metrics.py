"""What Prometheus reads. Labels are routes, stages, strategies and model versions, never an id of anybody."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess

from firstlight.serve.asking import Answer, stage

MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"
"""Where worker processes leave their counts, so that whichever is asked answers for all."""

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
STAGE_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.25, 1)


class Metrics:
    """The counts of one server; with several worker processes, of all of them together."""

    def __init__(self) -> None:
        self.registry = of = CollectorRegistry()
        self._requests = _by("requests", "Requests answered", of, "route", "status")
        self._seconds = _seconds("request_seconds", "Seconds to answer", of, "route", SECONDS)
        self._stages = _seconds("stage_seconds", "Seconds of a list by stage", of, "stage", STAGE_SECONDS)
        self._fallbacks = _by("fallbacks", "Lists made by a simpler strategy than was asked for", of, "strategy")
        self._people = _by("lists", "Lists by how well the person is known", of, "stage")
        self._recalled = Counter("firstlight_lists_recalled", "Lists that were made a moment ago", registry=of)
        self._shown = _by("items_shown", "Items listed: all, cold, other_category", of, "kind")
        self._events = _by("events", "Events that came in", of, "outcome")
        self._lost = Counter("firstlight_impressions_lost", "Lists shown that could not be written down", registry=of)
        mode: Literal["mostrecent", "all"] = "mostrecent" if MULTIPROCESS in os.environ else "all"
        self._active = Gauge(
            "firstlight_model_active", "1 for the model that answers", ["version"], registry=of, multiprocess_mode=mode
        )
        self._age = Gauge(
            "firstlight_model_loaded_timestamp_seconds",
            "When the model was loaded",
            registry=of,
            multiprocess_mode=mode,
        )
        self._version: str | None = None

    def request(self, route: str, status: int, seconds: float) -> None:
        """An answered request. route: its path as the API describes it."""
        self._requests(route, str(status)).inc()
        self._seconds(route).observe(seconds)

    def listed(self, answer: Answer, elsewhere: int) -> None:
        """A list. elsewhere: how many of its items are of categories that the person's events do not touch."""
        self._people(stage(answer.liked)).inc()
        if answer.fallback:
            self._fallbacks(answer.fallback).inc()
        if answer.items and not answer.seconds:
            self._recalled.inc()
        for name, seconds in answer.seconds.items():
            self._stages(name).observe(seconds)
        cold = sum(answer.items.cold)
        for kind, count in (("all", len(answer.items)), ("cold", cold), ("other_category", elsewhere)):
            self._shown(kind).inc(count)

    def events(self, outcomes: Mapping[str, int]) -> None:
        """Events by outcome: accepted, duplicate, rejected."""
        for outcome, count in outcomes.items():
            self._events(outcome).inc(count)

    def lost(self, count: int) -> None:
        """Lists that were shown and that nobody will find in the store."""
        self._lost.inc(count)

    def model(self, version: str) -> None:
        """The model that answers from now on."""
        if self._version not in (None, version):
            self._active.labels(self._version).set(0)
        self._version = version
        self._active.labels(version).set(1)
        self._age.set(time.time())

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        if MULTIPROCESS not in os.environ:
            return generate_latest(self.registry)
        together = CollectorRegistry()
        multiprocess.MultiProcessCollector(together)  # type: ignore[no-untyped-call]
        return generate_latest(together)


def _by(name: str, told: str, registry: CollectorRegistry, *labels: str) -> Callable[..., Counter]:
    """A counter by labels; finding one of them again costs no more than a look into a dict."""
    return cache(Counter(f"firstlight_{name}", told, labels, registry=registry).labels)


def _seconds(
    name: str, told: str, registry: CollectorRegistry, label: str, buckets: Sequence[float]
) -> Callable[..., Histogram]:
    return cache(Histogram(f"firstlight_{name}", told, [label], buckets=buckets, registry=registry).labels)
