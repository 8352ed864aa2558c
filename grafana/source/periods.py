"""Sums over the days of the chosen range and of the period before it, as PromQL.

`counts` is evaluated at UTC midnights. Days count that end in the range or within an hour of its
end, so that a range from midnight to 23:59 has its last day.
"""


def over_range(counts: str) -> str:
    """Add up a count at midnights over the days that end in the range, or within an hour of it.

    A range that is shorter than a day has the last whole day before its end.
    """
    return _whole_days(counts, "offset -1h", "offset -1h")


def over_range_before(counts: str) -> str:
    """Add up a count over the range's length before the range, or over the day before the last."""
    return _whole_days(counts, "@ ${__from:date:seconds} offset -1h", "offset 23h")


def _whole_days(counts: str, shift: str, shift_of_a_day: str) -> str:
    long, short = "vector($__range_s) >= 86400", "vector($__range_s) < 86400"
    return (
        f"sum_over_time((\n{counts}\n)[$__range:1d] {shift}) and on () {long}\n"
        f"or sum_over_time((\n{counts}\n)[1d:1d] {shift_of_a_day}) and on () {short}"
    )


def in_view(by_day: str) -> str:
    """Leave out days whose date lies before the range, where a chart cannot show them."""
    return f"{by_day}\nand on () vector(time()) >= ${{__from:date:seconds}}"
