from pathlib import Path

import pytest

from app.cli.errors import UsageProblem
from app.cli.tasks.request import read_text, task_request


def test_the_text_of_a_file_comes_before_the_other_arguments() -> None:
    assert task_request("t", "[1]", "{}", "text", {})["args"] == ["text", 1]


def test_an_empty_file_is_an_argument_too() -> None:
    assert task_request("t", "[]", "{}", "", {})["args"] == [""]


def test_options_that_were_not_given_are_not_sent_and_zero_is_a_value() -> None:
    options: dict[str, object] = {"queue": None, "tags": [], "priority": 0, "countdown": 1.5}
    assert task_request("t", "[]", "{}", None, options)["options"] == {"priority": 0, "countdown": 1.5}


@pytest.mark.parametrize(("args", "kwargs"), [("{", "{}"), ("{}", "{}"), ("[]", "[]"), ("[]", "nothing")])
def test_arguments_that_are_no_json_of_the_right_kind_are_refused_by_the_name_of_the_option(
    args: str, kwargs: str
) -> None:
    with pytest.raises(UsageProblem, match="--args" if kwargs == "{}" else "--kwargs"):
        task_request("t", args, kwargs, None, {})


def test_a_file_that_is_not_there_or_no_text_is_refused_by_its_name(tmp_path: Path) -> None:
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff")
    with pytest.raises(UsageProblem, match="no UTF-8"):
        read_text(str(binary))
    with pytest.raises(UsageProblem, match="No such file"):
        read_text(str(tmp_path / "nothing"))
