"""What the fields of a crontab mean, and what is said about one that cannot be read."""

import pytest

from celeriac.schedules import ParseException, crontab, crontab_parser

MINUTES = crontab_parser(60)
DAYS = crontab_parser(31, 1)
MONTHS = crontab_parser(12, 1)
WEEKDAYS = crontab_parser(7)


@pytest.mark.parametrize(
    ("parser", "text", "numbers"),
    [
        (MINUTES, "*", set(range(60))),
        (MINUTES, "7", {7}),
        (MINUTES, "1,2, 3", {1, 2, 3}),
        (MINUTES, "*/15", {0, 15, 30, 45}),
        (MINUTES, "*/7", {0, 7, 14, 21, 28, 35, 42, 49, 56}),
        (MINUTES, "10-20/5", {10, 15, 20}),
        (MINUTES, "58-1", {58, 59, 0, 1}),
        (MINUTES, "50-10/10", {50, 0, 10}),
        (DAYS, "*/10", {1, 11, 21, 31}),
        (DAYS, "30-2", {30, 31, 1, 2}),
        (MONTHS, "*/4", {1, 5, 9}),
        (MONTHS, "2-12/2", {2, 4, 6, 8, 10, 12}),
        (MONTHS, "nov-feb", {11, 12, 1, 2}),
        (MONTHS, "January,sept", {1, 9}),
        (WEEKDAYS, "fri-mon", {5, 6, 0, 1}),
        (WEEKDAYS, "*/2", {0, 2, 4, 6}),
        (WEEKDAYS, "Wednesday", {3}),
        (WEEKDAYS, "sun,mon-wed/2", {0, 1, 3}),
    ],
)
def test_an_expression_is_expanded_as_in_celery(parser: crontab_parser, text: str, numbers: set[int]) -> None:
    assert parser.parse(text) == numbers


@pytest.mark.parametrize(
    "text", ["", "1,,2", ",", "*/", "1-2/", "-1", "1-", "*/0", "*5", "1/2/3", "a b", "*/x", "5/15"]
)
def test_what_cannot_be_read_is_a_parse_exception(text: str) -> None:
    with pytest.raises(ParseException):
        MINUTES.parse(text)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"minute": "60"}, "There is no minute 60: they go from 0 to 59."),
        ({"minute": [1, 75]}, "There is no minute 75: they go from 0 to 59."),
        ({"hour": "mon"}, "There is no hour 'mon': they go from 0 to 23."),
        ({"day_of_month": 0}, "There is no day of the month 0: they go from 1 to 31."),
        ({"month_of_year": "smarch"}, "There is no month 'smarch': they go from 1 to 12."),
        ({"day_of_week": 7}, "There is no day of the week 7: they go from 0 to 6 (Sunday is 0)."),
        ({"day_of_week": "mar"}, "There is no day of the week 'mar': they go from 0 to 6."),
        ({"minute": "5/15"}, "The minute '5/15' has a step and no range: write '5-59/15'."),
        ({"minute": "*/0"}, "The step of '*/0' (minute) must be a number from 1 on, as in '*/5'."),
        ({"hour": "1,"}, "The hour '1,' has an empty part: write '1,2', or '*' for all."),
        ({"hour": ()}, "The crontab has no hour; leave it out for all of them."),
        (
            {"day_of_month": "30,31", "month_of_year": "feb"},
            "The crontab '* * 30,31 feb *' never runs: no month feb has a day 30,31.",
        ),
    ],
)
def test_a_mistake_is_told_in_a_sentence_with_the_cure(fields: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError) as raised:
        crontab(**fields)
    assert str(raised.value) == sentence


@pytest.mark.parametrize("value", [1.5, object(), [1.5]])
def test_a_field_of_another_type_is_a_type_error(value: object) -> None:
    with pytest.raises(TypeError):
        crontab(minute=value)


@pytest.mark.parametrize(
    "value", [{0, 30}, [0, 30], (30, 0), iter([0, 30]), range(0, 31, 30), "0,30", ["0", "30"], "*/30"]
)
def test_a_field_takes_numbers_in_every_form(value: object) -> None:
    assert crontab(minute=value).minute == {0, 30}


def test_none_means_all_as_in_celery() -> None:
    assert crontab(0, None).hour == set(range(24))


def test_an_expression_has_five_fields() -> None:
    with pytest.raises(
        ValueError, match=r"has 4 fields; it needs five: minute, hour, .*, as in '30 7 \* \* mon-fri'\."
    ):
        crontab.from_string("0 3 * *")


def test_the_order_of_fields_in_an_expression_is_not_that_of_the_arguments() -> None:
    assert crontab.from_string(" 1  2 3 4  5 ") == crontab(1, 2, 5, 3, 4)
