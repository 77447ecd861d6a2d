"""Texts with gaps: what many messages have in common, told once, and what is put into it for each of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

ID, TAG, VALUE = "I", "T", "V"


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """ASCII texts with a gap between each and the next; `accept.lua` fills them as `filled` does.

    `gaps` has a letter for each: `ID` for the id of the task, `TAG` for the delivery tag, `VALUE` for the next value.
    """

    texts: tuple[str, ...]
    gaps: str
    length: int
    """Of all texts together."""
    ids: int
    """How many gaps are for the id."""
    tags: int

    @classmethod
    def of(cls, gaps: str, *texts: str) -> Self:
        """The template of these texts, one more than gaps."""
        return cls(texts, gaps, sum(map(len, texts)), gaps.count(ID), gaps.count(TAG))

    def filled(self, task_id: str, tag: str, values: Iterable[str]) -> str:
        """The text for one task."""
        rest = iter(values)
        parts = [self.texts[0]]
        for gap, text in zip(self.gaps, self.texts[1:], strict=True):
            parts += (task_id if gap == ID else tag if gap == TAG else next(rest), text)
        return "".join(parts)

    def size(self, task_id: str, tag: str, values: Sequence[str]) -> int:
        """The length of what `filled` gives."""
        return self.length + self.ids * len(task_id) + self.tags * len(tag) + sum(map(len, values))


NOTHING = Template.of("", "")
WHOLE = Template.of(VALUE, "", "")
"""One value and nothing else."""
