"""Describes each column of a table: its type, what is missing, its range and commonest values."""

import csv
import io
import math
from collections import Counter

NAME = "Data profiler"
EXAMPLE = {"csv": "city,people\nParis,2100000\nRome,2800000\nRome,\n"}


def answer(request: dict) -> dict:
    text = request.get("csv")
    if not isinstance(text, str) or not text.strip():
        raise ValueError("`csv` must be a text with a heading line.")
    try:
        rows = [row for row in csv.reader(io.StringIO(text)) if row]
    except csv.Error as problem:
        raise ValueError(f"This is not CSV: {problem}.") from None
    heads, data = rows[0], rows[1:]
    cells = [[row[n].strip() if n < len(row) else "" for row in data] for n in range(len(heads))]
    return {
        "rows": len(data),
        "columns": [
            profile(head.strip(), column) for head, column in zip(heads, cells, strict=True)
        ],
    }


def profile(name: str, cells: list[str]) -> dict:
    filled = [cell for cell in cells if cell]
    numbers = [n for n in map(number, filled) if n is not None]
    found = {
        "name": name,
        "type": "empty" if not filled else "number" if len(numbers) == len(filled) else "text",
        "empty": len(cells) - len(filled),
        "distinct": len(set(filled)),
    }
    if found["type"] == "number":
        mean = math.fsum(numbers) / len(numbers)
        return {**found, "min": min(numbers), "max": max(numbers), "mean": round(mean, 6)}
    common = Counter(filled).most_common(3)
    return {**found, "common": [{"value": v, "count": c} for v, c in common]}


def number(cell: str) -> float | None:
    try:
        found = float(cell)
    except ValueError:
        return None
    return found if math.isfinite(found) else None
