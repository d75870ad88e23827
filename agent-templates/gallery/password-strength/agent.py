"""Estimates how hard a password is to guess, and says what would help. It keeps nothing."""

import math
import re

NAME = "Password strength"
EXAMPLE = {"password": "password1"}
COMMON = set(
    "password 123456 qwerty letmein admin welcome monkey dragon football iloveyou abc123 secret "
    "master login princess sunshine shadow superman trustno1 hello freedom whatever starwars".split()
)
RUNS = ("abcdefghijklmnopqrstuvwxyz", "0123456789", "qwertyuiop", "asdfghjkl", "zxcvbnm")
SETS = ((r"[a-z]", 26), (r"[A-Z]", 26), (r"[0-9]", 10), (r"[^a-zA-Z0-9]", 33))


def answer(request: dict) -> dict:
    password = request.get("password")
    if not isinstance(password, str) or not 1 <= len(password) <= 500:
        raise ValueError("`password` must be a text of 1 to 500 characters.")
    advice = []
    plain = password.lower()
    length = len(password)
    core = re.sub(r"[^a-z]", "", plain.translate(str.maketrans("013457@$", "oieastas")))
    if COMMON & {plain, core, re.sub(r"[^a-z]", "", plain)}:
        advice.append("It is a common password, or one with a little paint on it.")
        length = min(length, 3)
    for run in RUNS:
        for text in (run, run[::-1]):
            for n in range(len(text) - 3):
                if text[n : n + 4] in plain:
                    length -= 3
                    advice.append("It follows the keyboard or the alphabet.")
    if re.search(r"(.)\1{2,}", plain):
        length -= 2
        advice.append("It repeats a character.")
    size = sum(n for pattern, n in SETS if re.search(pattern, password))
    bits = max(0.0, max(length, 1) * math.log2(max(size, 2)))
    if len(password) < 12:
        advice.append("Make it longer: four or five words that have nothing to do with each other.")
    verdict = "weak" if bits < 45 else "fair" if bits < 70 else "strong"
    return {"bits": round(bits), "verdict": verdict, "advice": list(dict.fromkeys(advice))}
