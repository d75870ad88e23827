"""Explains a cron expression and tells its next runs, in UTC."""

from datetime import UTC, datetime, timedelta

NAME = "Cron explainer"
EXAMPLE = {"cron": "30 9 * * 1-5", "after": "2026-01-02T12:00:00", "runs": 2}
FIELDS = (
    ("minute", 0, 59),
    ("hour", 0, 23),
    ("day of the month", 1, 31),
    ("month", 1, 12),
    ("day of the week", 0, 7),
)
NAMES = {
    "month": {
        n: i for i, n in enumerate("jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)
    },
    "day of the week": {n: i for i, n in enumerate("sun mon tue wed thu fri sat".split())},
}
SHORT = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
}


def answer(request: dict) -> dict:
    text, runs = request.get("cron"), request.get("runs", 3)
    if not isinstance(text, str) or not isinstance(runs, int) or not 1 <= runs <= 20:
        raise ValueError("Send `cron`, for example '30 9 * * 1-5', and `runs` from 1 to 20.")
    parts = SHORT.get(text.strip(), text).split()
    if len(parts) != 5:
        raise ValueError("A cron expression has five fields: minute hour day month weekday.")
    sets = [values(part, *field) for part, field in zip(parts, FIELDS, strict=True)]
    sets[4] = {day % 7 for day in sets[4]}
    try:
        after = datetime.fromisoformat(request.get("after") or datetime.now(UTC).isoformat())
    except (TypeError, ValueError):
        raise ValueError("`after` must be a time such as 2026-01-02T12:00:00.") from None
    return {
        "meaning": "; ".join(
            "every " + name if part == "*" else f"{name} {part}"
            for part, (name, _, _) in zip(parts, FIELDS, strict=True)
        ),
        "next": [t.isoformat() for t in following(after.replace(tzinfo=None), parts, sets, runs)],
    }


def values(part: str, name: str, low: int, high: int) -> set[int]:
    found: set[int] = set()
    for piece in part.lower().split(","):
        span, _, step = piece.partition("/")
        first, _, last = span.partition("-")
        try:
            every = int(step) if step else 1
            if span == "*":
                begin, end = low, high
            else:
                begin = value(first, name)
                end = value(last, name) if last else high if step else begin
            chosen = range(begin, end + 1, every)
        except (KeyError, ValueError):
            raise ValueError(f"“{piece}” says no {name}.") from None
        if every < 1 or begin < low or end > high or begin > end:
            raise ValueError(f"“{piece}” is no {name}: it goes from {low} to {high}.")
        found.update(chosen)
    return found


def value(text: str, name: str) -> int:
    return NAMES.get(name, {})[text] if text.isalpha() else int(text)


def following(after: datetime, parts: list[str], sets: list[set[int]], runs: int) -> list[datetime]:
    minutes, hours, days, months, weekdays = sets
    day, found = after.replace(hour=0, minute=0, second=0, microsecond=0), []
    for _ in range(366 * 8):
        on_day, on_weekday = day.day in days, (day.weekday() + 1) % 7 in weekdays
        # With both given, cron runs when either fits.
        either = parts[2] != "*" and parts[4] != "*"
        fits = (on_day or on_weekday) if either else (on_day and on_weekday)
        if day.month in months and fits:
            for hour in sorted(hours):
                for minute in sorted(minutes):
                    moment = day.replace(hour=hour, minute=minute)
                    if moment > after:
                        found.append(moment)
                        if len(found) == runs:
                            return found
        day += timedelta(days=1)
    return found
