"""When a rule waits for an approval, as it is configured; `core.approval` decides by it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decimal import Decimal


@dataclass(frozen=True, slots=True)
class ApprovalPolicy:
    """When a rule waits for a person: after `first` files of a thing that it buys, or for more at once than `above_*`.

    None asks for nothing. `import_only` says that only the files count that a new rule finds in its folder.
    """

    first: int | None = None
    above_files: int | None = None
    above_cost: Decimal | None = None
    import_only: bool = False

    @property
    def limits_crowds(self) -> bool:
        """Whether a sudden drop may wait for a person."""
        return not self.import_only and (self.above_files is not None or self.above_cost is not None)

    @property
    def asks(self) -> bool:
        """Whether files of a rule that has been at work for long may wait for a person."""
        return not self.import_only and self != ApprovalPolicy()


USUAL_APPROVAL = ApprovalPolicy(above_files=1000, import_only=True)
"""What holds for a rule that says nothing of it."""
