"""Shares with their parts, so that each can be bounded by the size of its sample."""

from dataclasses import dataclass

from grafana.source.promql import END_OF_RANGE, SERVICE, by_service, freshest

Z_95 = 1.96
"""The normal quantile of a two-sided 95% interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A share with its parts, so that it can be bounded: `part` out of `whole`, both PromQL.

    `labels` remain. `size_at_end` is the whole at the end of the range, by which segments are
    drawn alone or together with others.
    """

    part: str
    whole: str
    labels: tuple[str, ...]
    size_at_end: str = ""

    def ratio(self) -> str:
        """Return the share where there is anything to share."""
        return freshest(f"({self.part}) / ({self.whole} > 0)", *self.labels)

    def size(self) -> str:
        """Return the sample's size where there is one."""
        return freshest(f"{self.whole} > 0", *self.labels)

    def bound(self, side: str) -> str:
        """Return Wilson's 95% bound: `-` for the lower one, `+` for the upper."""
        part, whole = f"({self.part})", f"({self.whole} > 0)"
        spread = f"sqrt({part} * ({whole} - {part}) / {whole} + {Z_95**2 / 4:.4f})"
        return freshest(
            f"({part} + {Z_95**2 / 2:.4f} {side} {Z_95} * {spread})\n/ ({whole} + {Z_95**2:.4f})",
            *self.labels,
        )

    def ratio_of_large(self) -> str:
        """Return the share of the segments that have the least sample at the end of the range."""
        return f"{self.ratio()}\nand {self.large()}"

    def ratio_of_small(self) -> str:
        """Return the share of all other segments together."""
        part, whole = (
            by_service("sum", f"\n{freshest(counts, *self.labels)}\nunless {self.large()}\n")
            for counts in (self.part, self.whole)
        )
        return f"{part}\n/\n({whole} > 0)"

    def large(self) -> str:
        """Match the segments that have the least sample at the end of the range."""
        size = freshest(self.size_at_end, *self.labels, at=END_OF_RANGE)
        return f"on ({SERVICE}, segmentation, segment) {size} >= $least"
