"""Tells how much downtime a target allows, and what your outages have left of it."""

NAME = "SLO budget"
EXAMPLE = {"target_percent": 99.9, "window_days": 30, "outages_minutes": [12, 8.5]}


def answer(request: dict) -> dict:
    target = number(request, "target_percent", 0, 100)
    window = number(request, "window_days", 0, 3660) * 24 * 60
    outages = request.get("outages_minutes", [])
    if not isinstance(outages, list) or not all(is_number(o) and o >= 0 for o in outages):
        raise ValueError("`outages_minutes` must be a list of minutes.")
    budget, spent = window * (100 - target) / 100, sum(outages)
    if spent > window:
        raise ValueError("The outages are longer than the window.")
    return {
        "budget_minutes": round(budget, 2),
        "spent_minutes": round(spent, 2),
        "left_minutes": round(budget - spent, 2),
        "spent_percent": round(100 * spent / budget, 1) if budget else None,
        "uptime_percent": round(100 * (1 - spent / window), 4),
        "met": spent <= budget,
    }


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value


def number(request: dict, name: str, low: float, high: float) -> float:
    value = request.get(name)
    if not is_number(value) or not low < value <= high:
        raise ValueError(f"`{name}` must be a number above {low} and at most {high}.")
    return value
