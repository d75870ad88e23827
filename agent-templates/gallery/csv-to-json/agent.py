"""Turns CSV into JSON records: the delimiter is found, numbers become numbers."""

import csv
import io
import re

NAME = "CSV to JSON"
EXAMPLE = {"csv": "name;age\nAda;36\nAlan;41\n"}
NUMBER = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d{1,15})?")


def answer(request: dict) -> dict:
    text = request.get("csv")
    if not isinstance(text, str) or not text.strip():
        raise ValueError("`csv` must be a text with a heading line.")
    delimiter = request.get("delimiter") or guess(text)
    if not isinstance(delimiter, str) or len(delimiter) != 1 or delimiter in '\n\r"':
        raise ValueError("`delimiter` must be one character.")
    try:
        rows = list(csv.reader(io.StringIO(text.lstrip("\ufeff")), delimiter=delimiter))
    except csv.Error as problem:
        raise ValueError(f"This is not CSV: {problem}.") from None
    rows = [row for row in rows if any(cell.strip() for cell in row)]
    heads = [head.strip() for head in rows[0]]
    if len(set(heads)) != len(heads) or "" in heads:
        raise ValueError("Every column needs a name of its own in the first line.")
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(heads):
            raise ValueError(f"Row {number} has {len(row)} cells, the heading has {len(heads)}.")
    records = [dict(zip(heads, map(value, row), strict=True)) for row in rows[1:]]
    return {"delimiter": delimiter, "records": records}


def guess(text: str) -> str:
    first = text.strip().splitlines()[0]
    return max(",;\t|", key=first.count)


def value(cell: str) -> object:
    cell = cell.strip()
    if cell == "":
        return None
    if NUMBER.fullmatch(cell):
        return float(cell) if "." in cell else int(cell)
    return {"true": True, "false": False}.get(cell.lower(), cell)
