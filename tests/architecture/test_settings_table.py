import pytest

from tests.architecture.settings_table import BEGIN, END, PAGE, fields, rewritten, table, written


def test_the_page_of_settings_is_the_table_that_the_code_gives() -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert written(page) == table(), "Run: python -m tests.architecture.settings_table"


def test_every_setting_says_what_it_means() -> None:
    assert [variable for variable, field in fields() if not (field.description or "").endswith(".")] == []


def test_a_setting_that_service_and_workers_both_read_has_one_default() -> None:
    defaults: dict[str, set[object]] = {}
    for variable, field in fields():
        defaults.setdefault(variable, set()).add(field.default)

    assert [variable for variable, values in defaults.items() if len(values) > 1] == []


def test_rewriting_the_table_leaves_the_rest_of_the_page_alone() -> None:
    page = rewritten(f"Before.\n{BEGIN}\nold\n{END}\nAfter.\n")

    assert page == f"Before.\n{BEGIN}\n{table()}\n{END}\nAfter.\n"
    assert rewritten(page) == page


@pytest.mark.parametrize("page", ["", BEGIN, f"{END}\n{BEGIN}"])
def test_a_page_without_both_marks_is_refused(page: str) -> None:
    with pytest.raises(ValueError, match="needs the lines"):
        rewritten(page)
