"""Time stamps of one's own: read, put on one clock, ordered, and laid on the grid that they come from.

A grid has equal steps, of seconds or of calendar months (monthly, quarterly and yearly data, whose seconds differ).
"""

import calendar
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from itertools import pairwise
from zoneinfo import ZoneInfo

from grux.errors import DataError, UsageError

EPOCH = "epoch"
MIDNIGHT = time_of_day()
OFFSET = re.compile(r"(Z|[+-]\d\d(:?\d\d)?)$")
"""What ends a stamp with a time zone."""
DAY = 86400
FORMATS = ("%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y", "%m/%d/%Y %H:%M", "%m/%d/%Y", "%Y-%m", "%Y")
"""What stamps are often written in; for suggestions alone, as 01/02/2020 is two days."""


def read_times(cells: Sequence[str], lines: Sequence[int], *, where: str, form: str | None, zone: str | None):
    """A datetime for each cell, all with a time zone or all without.

    `form`: null for ISO 8601, `EPOCH` for seconds since 1970 UTC, else as strptime has it. With a `zone`, stamps with
    an offset are put into it and stamps without are its local times; an hour that comes twice as clocks are put back is
    the second one where the first would not come after the row before. Raises `DataError` with the line.
    """
    local = _zone(zone)
    times: list[datetime] = []
    for cell, line in zip(cells, lines, strict=True):
        time = _time(cell, form, f"{where}, line {line}")
        if local is not None:
            time = time.astimezone(local) if time.tzinfo else time.replace(tzinfo=local)
            if times and _seconds(time) <= _seconds(times[-1]) < _seconds(time.replace(fold=1)):
                time = time.replace(fold=1)
        times.append(time)
    if local is None:
        _check_zones(times, lines, where)
    return times


def _zone(name: str | None) -> ZoneInfo | None:
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (OSError, ValueError) as error:  # ZoneInfoNotFoundError is a KeyError
        raise UsageError(f"data.time_zone={name} is no time zone ({error}); write UTC or Europe/Berlin.") from None
    except KeyError:
        raise UsageError(f"data.time_zone={name} is unknown; write UTC, or a name like Europe/Berlin.") from None


def _time(cell: str, form: str | None, where: str) -> datetime:
    try:
        if form == EPOCH:
            return datetime.fromtimestamp(float(cell), UTC)
        if form is not None:
            return datetime.strptime(cell, form)
        return datetime.fromisoformat(cell.replace("/", "-"))
    except (ValueError, OverflowError, OSError):
        what = "the time is missing" if not cell else f"{cell!r} is no time"
        wanted = "seconds since 1970" if form == EPOCH else form or "2016-07-01 00:00"
        found = form_of(cell)
        hint = f"say how it is written, like data.time_format='{found}'" if found else f"write it as {wanted}"
        raise DataError(f"{where}: {what}; {hint}.") from None


def form_of(cell: str) -> str | None:
    """The first of `FORMATS`, or `EPOCH` for a number of ten digits, that a stamp can be read by; None for none."""
    if re.fullmatch(r"1\d{9}(\.\d+)?", cell):
        return EPOCH
    for form in FORMATS:
        try:
            datetime.strptime(cell, form)
        except ValueError:
            continue
        return form
    return None


def written(time: datetime, like: str, form: str | None) -> str:
    """A time written as `like` is: as a date where both are one, with - or /, blank or T, Z or no zone; or in `form`.

    `form` as in `read_times`.
    """
    if form == EPOCH:
        return f"{time.timestamp():.16g}"
    if form:
        return time.strftime(form)
    clock, zone = (like[10:], OFFSET.search(like[10:])) if len(like) > 10 else ("", None)
    if zone is None:  # the local time of data.time_zone
        time = time.replace(tzinfo=None)
    if not clock and time.time() == MIDNIGHT:
        text = time.date().isoformat()
        return text.replace("-", "") if like.isdecimal() else text.replace("-", "/") if "/" in like else text
    brief = "minutes" if OFFSET.sub("", clock).count(":") == 1 and not (time.second or time.microsecond) else "auto"
    text = time.isoformat("T" if "T" in like else " ", timespec=brief)
    text = text.removesuffix("+00:00") + "Z" if zone and zone[0] == "Z" and text.endswith("+00:00") else text
    return text.replace("-", "/", 2) if "/" in like else text


def _check_zones(times: Sequence[datetime], lines: Sequence[int], where: str) -> None:
    first = times[0].utcoffset()
    for time, line in zip(times, lines, strict=True):
        if (time.tzinfo is None) != (times[0].tzinfo is None):
            has, had = ("no time zone", "one") if time.tzinfo is None else ("a time zone", "none")
            raise DataError(
                f"{where}, line {line}: {time} has {has} and line {lines[0]} has {had}; name the zone of those "
                "without, like data.time_zone=UTC or Europe/Berlin."
            )
        if time.utcoffset() != first:
            raise DataError(
                f"{where}, line {line}: {time} is in another time zone than line {lines[0]}; name one for all, like "
                "data.time_zone=UTC or Europe/Berlin."
            )


def _seconds(time: datetime) -> float:
    """Seconds on a clock that is never put forward or back; of a stamp without a zone, on its own."""
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def instants(times: Sequence[datetime]) -> list[float]:
    """Seconds of each time on one clock."""
    return [_seconds(time) for time in times]


@dataclass(frozen=True)
class Grid:
    """Equal steps of `months`, or of `seconds` where that is 0, from `start` on."""

    start: datetime
    seconds: float
    months: int = 0

    @property
    def name(self) -> str:
        """ "1 hour", "3 months"."""
        if self.months:
            count, unit = (self.months // 12, "year") if self.months % 12 == 0 else (self.months, "month")
        else:
            units = (("week", 7 * DAY), ("day", DAY), ("hour", 3600), ("minute", 60), ("second", 1))
            unit, size = next(((u, s) for u, s in units if self.seconds % s == 0), ("second", 1))
            count = self.seconds / size
        return f"{count:g} {unit}{'s' * (count != 1)}"

    @property
    def season(self) -> int:
        """Rows of the season that is customary for the step: a day, a week, a year; 1 where there is none."""
        if self.months:
            return 12 // self.months if 12 % self.months == 0 else 1
        if self.seconds < DAY:
            return round(DAY / self.seconds) if DAY % self.seconds == 0 else 1
        return {DAY: 7, 7 * DAY: 52}.get(int(self.seconds), 1)

    def position(self, time: datetime) -> float:
        """Steps from the start; a whole number for a time of the grid."""
        if self.months:
            return (_month(time) - _month(self.start)) / self.months
        return (_seconds(time) - _seconds(self.start)) / self.seconds

    def at(self, step: int) -> datetime:
        """The time after so many steps."""
        if not self.months:
            if self.start.tzinfo is None:
                return self.start + timedelta(seconds=step * self.seconds)
            moved = self.start.astimezone(UTC) + timedelta(seconds=step * self.seconds)
            return moved.astimezone(self.start.tzinfo)
        year, month = divmod(_month(self.start) + step * self.months, 12)
        last = calendar.monthrange(year, month + 1)[1]
        day = last if _is_month_end(self.start) else min(self.start.day, last)
        return self.start.replace(year=year, month=month + 1, day=day)


def grid_of(times: Sequence[datetime]) -> Grid:
    """The grid of the most frequent step; `times` grow."""
    seconds = [round(b - a, 6) for a, b in pairwise(instants(times))]
    if not seconds:
        return Grid(times[0], DAY)
    if min(seconds) > 27 * DAY and _of_one_day(times):
        months = Counter(_month(b) - _month(a) for a, b in pairwise(times))
        return Grid(times[0], 0.0, months.most_common(1)[0][0])
    return Grid(times[0], Counter(seconds).most_common(1)[0][0])


def _of_one_day(times: Sequence[datetime]) -> bool:
    """Whether all are at one time of the same day of their months, or of the last one."""
    hours = {time.time() for time in times}
    return len(hours) == 1 and (len({time.day for time in times}) == 1 or all(map(_is_month_end, times)))


def _month(time: datetime) -> int:
    return time.year * 12 + time.month - 1


def _is_month_end(time: datetime) -> bool:
    return time.day == calendar.monthrange(time.year, time.month)[1]
