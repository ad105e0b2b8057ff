"""What ``prepare`` may be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from mien.data import faces
from mien.data.duplicates import CORRELATION
from mien.data.mislabelled import FILTER
from mien.data.split import parse_ratio
from mien.data.words import NUMBERS

OFFICIAL, KEEP_SPLIT = "official", "keep"
ONE, ALL = "one", "all"


@dataclass(frozen=True)
class Options:
    """Options of one preparation; all of them stand in its report.

    ``mapping`` folder or label name to an emotion or "drop"; ``split`` a ratio train:valid:test,
    "official" (the contest's usage) or "keep" (the source's folders); ``copies`` "one" keeps a
    picture of each group, "all" keeps the group together; ``correlation`` from which pictures are
    copies, above 1 for exact ones alone; ``flag`` and ``drop`` scores of "not a face";
    ``label_filter`` cleanlab's; ``fresh`` forgets where an earlier run placed the pictures;
    ``numbers`` the data set by which numbered classes are read.
    """

    mapping: Mapping[str, str] = field(default_factory=dict)
    split: str = "8:1:1"
    seed: int = 0
    copies: str = ONE
    correlation: float = CORRELATION
    flag: float = faces.FLAG
    drop: float = faces.DROP
    label_filter: str = FILTER
    fresh: bool = False
    numbers: str = ""

    def check(self) -> None:
        """Raise ValueError for a value that means nothing."""
        if self.split not in (OFFICIAL, KEEP_SPLIT):
            parse_ratio(self.split)
        if self.numbers and self.numbers not in NUMBERS:
            raise ValueError(f"--numbers {self.numbers}: choose {', '.join(NUMBERS)}")
        if self.copies not in (ONE, ALL):
            raise ValueError(f"--copies {self.copies}: choose {ONE} or {ALL}")
        if self.correlation < 0.5:
            raise ValueError(f"--correlation {self.correlation}: give 0.5 to 1, or 2 for none")

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, without what only matters to the run itself."""
        return {k: v for k, v in asdict(self).items() if k != "fresh"}
