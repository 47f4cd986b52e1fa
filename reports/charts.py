"""Pictures for the theme's chart components: their data and looks as JSON, and the same in words for who hears them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reports.models import Result

GREEN, RED, ORANGE, YELLOW, GREY, BLUE = "#16a34a", "#dc2626", "#ea580c", "#eab308", "#9ca3af", "#3b82f6"
RESULT_TONES = {
    Result.SUCCESS: GREEN,
    Result.PARTLY: ORANGE,
    Result.FAILED: RED,
    Result.WAITING: YELLOW,
    Result.SKIPPED: GREY,
}


@dataclass(frozen=True, slots=True)
class Series:
    """Numbers of one kind, a bar each; ``tones`` are the bars' colours, one for all of them or one each."""

    label: str
    numbers: Sequence[float]
    tones: str | Sequence[str]


@dataclass(frozen=True, slots=True)
class Picture:
    """What ``portal/bars.html`` draws; ``words`` say what it shows."""

    data: str
    options: str
    words: str
    height: int
    labels: Sequence[str]
    legend: Sequence[Series]


def bars(
    labels: Sequence[str], series: Sequence[Series], words: str, *, height: int = 180, lying: bool = False
) -> Picture:
    """Return bars, of several series on top of each other; ``lying`` ones have room for long labels."""
    values, names = ("x", "y") if lying else ("y", "x")
    options = _looks()
    options["indexAxis"] = names
    options["scales"] = {
        names: {"stacked": True, "grid": {"display": False}, "ticks": {"maxRotation": 0, "autoSkip": not lying}},
        values: {
            "stacked": True,
            "beginAtZero": True,
            "border": {"display": False},
            "grid": {"display": False},
            "ticks": {"precision": 0, "maxTicksLimit": 5},
        },
    }
    return _picture(labels, series, options, words, height)


def trend(labels: Sequence[str], series: Series, words: str) -> Picture:
    """Return small bars without scales, which stand in a row of a table."""
    options = _looks()
    options["scales"] = {"x": {"display": False}, "y": {"display": False, "beginAtZero": True}}
    return _picture(labels, [series], options, words, 28)


def _looks() -> dict[str, Any]:
    return {
        "animation": False,
        "responsive": True,
        "maintainAspectRatio": False,
        "plugins": {"legend": {"display": False}},
    }


def _picture(
    labels: Sequence[str], series: Sequence[Series], options: dict[str, Any], words: str, height: int
) -> Picture:
    datasets = [
        {
            "label": one.label,
            "data": list(one.numbers),
            "backgroundColor": one.tones if isinstance(one.tones, str) else list(one.tones),
            "maxBarThickness": 28,
            "borderRadius": 2,
        }
        for one in series
    ]
    data = json.dumps({"labels": list(labels), "datasets": datasets})
    return Picture(data, json.dumps(options), words, height, labels, series)
