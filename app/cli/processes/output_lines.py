"""Lines out of the bytes that a process writes: no line is unbounded, and no bytes are undecodable."""

MAX_LINE_BYTES = 8_192


class LineBuffer:
    """Takes output in pieces of any size; keeps the line that has not ended yet."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> list[str]:
        """The lines that this piece completes, without their ends. A line beyond MAX_LINE_BYTES comes in pieces."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        while len(self._rest) > MAX_LINE_BYTES:
            lines.append(self._rest[:MAX_LINE_BYTES])
            self._rest = self._rest[MAX_LINE_BYTES:]
        return [_text(line) for line in lines]

    def end(self) -> list[str]:
        """The last line, when the output did not end with a line end."""
        rest, self._rest = self._rest, b""
        return [_text(rest)] if rest else []


def _text(line: bytes) -> str:
    return line.removesuffix(b"\r").decode(errors="replace")
