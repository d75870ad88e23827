"""Tests of the agent; run them with `python -m unittest`."""

import unittest

from agent import EXAMPLE, answer


class Test(unittest.TestCase):
    def test_weekends_and_holidays_are_left_out(self):
        self.assertEqual(answer(EXAMPLE)["date"], "2026-12-29")

    def test_backwards(self):
        self.assertEqual(answer({"start": "2026-01-05", "add": -1})["date"], "2026-01-02")

    def test_between(self):
        found = answer({"start": "2026-01-01", "end": "2026-02-01", "holidays": ["2026-01-01"]})
        self.assertEqual(found, {"workdays": 21, "days": 31})

    def test_nonsense_is_refused(self):
        for wrong in (
            {},
            {"start": "2026-02-30", "add": 1},
            {"start": "2026-01-01", "add": "x"},
            {"start": "9999-12-30", "add": 9},
        ):
            with self.assertRaises(ValueError):
                answer(wrong)


if __name__ == "__main__":
    unittest.main()
