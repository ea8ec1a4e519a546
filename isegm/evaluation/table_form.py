"""The columns of the tables that were published with each inference protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from isegm.inference.cascade import MOST_CLICKS
from isegm.inference.protocols import MODE_PROTOCOLS

TABLE_MIOU_CLICKS = (1, 2, 3, 5, 10, 20)


@dataclass(frozen=True)
class TableForm:
    """Columns of a published table.

    Attributes:
        first: name of the first column.
        thresholds: IoUs whose NoC has a column.
        over_max: IoUs whose number of failures has one.
        miou_clicks: clicks after which mean IoUs are appended when they are asked for.
        row_name: of the rows of one checkpoint; None for the mode.
    """

    first: str
    thresholds: tuple[float, ...]
    over_max: tuple[float, ...]
    miou_clicks: Sequence[int]
    row_name: str | None = None

    @classmethod
    def of(cls, protocol: str, cascaded: bool = False) -> TableForm:
        """The form of the table that was published with an inference protocol.

        Args:
            protocol: its name.
            cascaded: with Cascade-Forward Refinement, which has a table of its own for SimpleClick's networks.
        """
        if protocol == "segnext":
            return cls("Predictor", (0.85, 0.90, 0.95), (0.90, 0.95), range(1, MOST_CLICKS + 1), "base")
        if protocol == "simpleclick":
            further = (0.95,) if cascaded else ()
            every_click = range(1, MOST_CLICKS + 1)
            return cls("BRS Type", (0.80, 0.85, 0.90, *further), (0.85, 0.90, *further), every_click)
        first = "Pipeline" if protocol in MODE_PROTOCOLS.values() else "BRS Type"
        return cls(first, (0.80, 0.85, 0.90), (0.85, 0.90), TABLE_MIOU_CLICKS)
