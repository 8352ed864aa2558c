"""Formulas say of every KPI what its value is made of."""

from collections.abc import Mapping
from math import isnan, nan

from hypothesis import given
from hypothesis import strategies as st

from exporter.domain.formulas import Formula, formulas
from exporter.domain.kpis import KPIS, KpiInput
from exporter.domain.layout import Layout
from tests.builders import persona

LAYOUT = Layout.of(persona())
COUNTS = st.dictionaries(st.integers(0, LAYOUT.sites_histogram - 1), st.integers(1, 9))


def worked_out(formula: Formula, counts: Mapping[int, int]) -> float:
    above = sum(counts.get(slot, 0) for slot in formula.plus)
    above -= sum(counts.get(slot, 0) for slot in formula.minus)
    if formula.over is None:
        return above
    below = sum(counts.get(slot, 0) for slot in formula.over)
    return above / below if below else nan


@given(COUNTS)
def test_a_formula_worked_out_by_hand_is_the_value(counts: dict[int, int]) -> None:
    for name, kpi in KPIS.items():
        values = dict(kpi.compute(KpiInput(counts, LAYOUT, persona())))
        made_of = formulas(name, persona(), LAYOUT)

        assert [formula.labels for formula in made_of] == list(values)
        for formula in made_of:
            if not formula.median:
                value, by_hand = values[formula.labels].value, worked_out(formula, counts)
                assert value == by_hand or (isnan(value) and isnan(by_hand)), (name, formula)


def test_only_the_median_is_one() -> None:
    medians = {
        name for name in KPIS for formula in formulas(name, persona(), LAYOUT) if formula.median
    }
    assert medians == {"sites_signed_in_median"}
