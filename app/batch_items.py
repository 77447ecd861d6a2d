"""The items of a batch: read one by one, as the body comes in."""

from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.requests import ClientDisconnect

from app.body import read_bytes_as
from app.errors import Problem, ProblemRaised, invalid_request, payload_too_large
from app.schemas import TaskRequest
from app.submit_headers import with_trace
from bridge import Call, SubmitOptions
from bridge.errors import PetioleError

Item = Call | PetioleError
"""What is to be submitted, or why it is not."""


class Refused(PetioleError):
    """An item that could not be read, with the problem to tell; `of_the_body`: all that follow could not be either."""

    def __init__(self, problem: Problem, *, of_the_body: bool = False) -> None:
        super().__init__(problem.detail)
        self.problem = problem
        self.of_the_body = of_the_body


class Lines:
    """Splits a body into lines as it comes in. None stands for one of more than `limit` bytes, which is not kept."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rest = b""
        self._skips = False

    def feed(self, chunk: bytes) -> list[bytes | None]:
        """The lines that end in this chunk."""
        *lines, rest = (self._rest + chunk).split(b"\n")
        if self._skips:
            if not lines:
                return []
            del lines[0]
        told = [line if len(line) <= self._limit else None for line in lines]
        self._skips = len(rest) > self._limit
        self._rest = b"" if self._skips else rest
        return [*told, None] if self._skips else told

    def end(self) -> list[bytes | None]:
        """The last line, if it has no end of its own."""
        return [self._rest]


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemReader:
    """Reads items. `tags` and `trace` go to each."""

    most: int
    most_bytes: int
    tags: Sequence[str] = ()
    trace: Mapping[str, str] = field(default_factory=dict)

    def of_values(self, values: Iterable[object]) -> Iterator[Item]:
        """Those of a JSON array."""
        for value in values:
            try:
                yield self._call(TaskRequest.model_validate(value))
            except ValidationError as error:
                located = [{**one, "loc": ("body", *one["loc"])} for one in error.errors()]
                yield Refused(invalid_request(RequestValidationError(located)))

    async def of_lines(self, request: Request) -> AsyncGenerator[Item, None]:
        """Those of a body that has one in each line. What is wrong with the body as a whole is told as the last."""
        index = 0
        try:
            async for line in self._lines(request):
                if index < self.most:
                    yield self._of_line(line)
                index += 1
        except ProblemRaised as error:
            yield Refused(error.problem, of_the_body=True)
        except ClientDisconnect:
            yield Refused(
                Problem(type="bad-request", status=400, detail="The body ends before its end."), of_the_body=True
            )
        if index > self.most:
            yield Refused(too_many(self.most), of_the_body=True)

    async def _lines(self, request: Request) -> AsyncGenerator[bytes | None, None]:
        lines = Lines(self.most_bytes)
        async for chunk in request.stream():
            for line in lines.feed(chunk):
                if line is None or line.strip():
                    yield line
        for line in lines.end():
            if line and line.strip():
                yield line

    def _of_line(self, line: bytes | None) -> Item:
        if line is None:
            return Refused(payload_too_large(self.most_bytes))
        try:
            return self._call(read_bytes_as(TaskRequest, line))
        except RequestValidationError as error:
            return Refused(invalid_request(error))

    def _call(self, asked: TaskRequest) -> Call:
        options: SubmitOptions = asked.options.to_bridge() if asked.options.model_fields_set else {}
        if self.tags:
            options["tags"] = [*asked.options.tags, *self.tags]
        return Call(asked.task, asked.args, asked.kwargs, with_trace(options, self.trace))


def too_many(most: int) -> Problem:
    """A batch has more than `most` items."""
    return Problem(
        type="payload-too-large", status=413, detail=f"The batch has more than {most} items; the rest was left out."
    )
