"""Counts and adds working days, around weekends and the holidays you name."""

from datetime import date, timedelta

NAME = "Workday planner"
EXAMPLE = {"start": "2026-12-23", "add": 3, "holidays": ["2026-12-25"]}


def answer(request: dict) -> dict:
    start = day(request, "start")
    free = {day({"holiday": h}, "holiday") for h in request.get("holidays") or []}
    if "end" in request:
        end = day(request, "end")
        if abs((end - start).days) > 36_600:
            raise ValueError("At most a hundred years.")
        low, high = min(start, end), max(start, end)
        days = (low + timedelta(days=n) for n in range((high - low).days))
        return {"workdays": sum(works(d, free) for d in days), "days": (high - low).days}
    add = request.get("add")
    if not isinstance(add, int) or isinstance(add, bool) or not -10_000 <= add <= 10_000:
        raise ValueError("Send `end`, a date, or `add`, a number of working days.")
    step, left, at = timedelta(days=1 if add >= 0 else -1), abs(add), start
    while left:
        try:
            at += step
        except OverflowError:
            raise ValueError("That leads out of the calendar.") from None
        left -= works(at, free)
    return {"date": at.isoformat(), "weekday": at.strftime("%A")}


def works(at: date, free: set[date]) -> bool:
    return at.weekday() < 5 and at not in free


def day(request: dict, name: str) -> date:
    try:
        return date.fromisoformat(request.get(name))
    except (TypeError, ValueError):
        raise ValueError(f"`{name}` must be a date such as 2026-12-31.") from None
