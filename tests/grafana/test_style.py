"""Colours: readers who are blind to some tell series apart, on both of Grafana's themes."""

from itertools import combinations
from math import dist

import pytest

from grafana.source.style import BAD, GOOD, GREY, PALETTE, WARNING

Colour = tuple[float, float, float]

# Machado, Oliveira and Fernandes 2009, severity 1, for linear RGB.
EYES = {
    "all colours": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "no red (protanopia)": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "no green (deuteranopia)": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "no blue (tritanopia)": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}
BARELY_TOLD_APART = 2.3  # in CIELAB, side by side
BACKGROUNDS = {"dark": "#181B1F", "light": "#FFFFFF"}


def linear(colour: str) -> Colour:
    r, g, b = (int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5))
    return (_linear(r), _linear(g), _linear(b))


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4


def seen(colour: str, eyes: str) -> Colour:
    """The colour in CIELAB, whose distances are those that eyes perceive."""
    rgb = linear(colour)
    r, g, b = (
        min(max(sum(k * part for k, part in zip(row, rgb, strict=True)), 0.0), 1.0)
        for row in EYES[eyes]
    )
    x = (0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505
    y = 0.2126 * r + 0.7152 * g + 0.0722 * b
    z = (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089
    fx, fy, fz = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, y, z))
    return (116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz))


@pytest.mark.parametrize("eyes", EYES)
def test_series_and_verdicts_differ_to_all_eyes(eyes: str) -> None:
    for colours in ((*PALETTE, GREY), (GOOD, WARNING, BAD, GREY)):
        for one, other in combinations(colours, 2):
            distance = dist(seen(one, eyes), seen(other, eyes))
            assert distance > 5 * BARELY_TOLD_APART, f"{one} and {other}: {distance:.1f}"


@pytest.mark.parametrize("theme", BACKGROUNDS)
def test_lines_stand_out_from_the_background(theme: str) -> None:
    def luminance(colour: str) -> float:
        r, g, b = linear(colour)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    behind = luminance(BACKGROUNDS[theme])
    for colour in (*PALETTE, GREY):
        bright, dark = sorted((luminance(colour), behind), reverse=True)
        assert (bright + 0.05) / (dark + 0.05) > 2, colour
