from app.cli.processes.output_lines import MAX_LINE_BYTES, LineBuffer


def lines(*pieces: bytes) -> list[str]:
    buffer = LineBuffer()
    return [line for piece in pieces for line in buffer.feed(piece)] + buffer.end()


def test_lines_come_without_their_ends_and_the_last_needs_none() -> None:
    assert lines(b"one\r\ntw", b"o\n\nthree") == ["one", "two", "", "three"]


def test_a_line_without_end_comes_in_pieces() -> None:
    assert [len(line) for line in lines(b"x" * (2 * MAX_LINE_BYTES + 1))] == [MAX_LINE_BYTES, MAX_LINE_BYTES, 1]


def test_bytes_that_are_no_text_do_not_stop_the_reader() -> None:
    assert lines(b"\xff\n") == ["\N{REPLACEMENT CHARACTER}"]
