"""Tests of the agent; run them with `python -m unittest`."""

import unittest

from agent import EXAMPLE, answer


class Test(unittest.TestCase):
    def test_columns_are_described(self):
        city, people = answer(EXAMPLE)["columns"]
        self.assertEqual(city["common"][0], {"value": "Rome", "count": 2})
        self.assertEqual((people["empty"], people["mean"]), (1, 2450000.0))

    def test_short_rows_are_empty_cells(self):
        self.assertEqual(answer({"csv": "a,b\n1\n"})["columns"][1]["type"], "empty")

    def test_not_a_number_is_text(self):
        self.assertEqual(answer({"csv": "a\nnan\n"})["columns"][0]["type"], "text")

    def test_nothing_is_refused(self):
        for wrong in ({}, {"csv": "  "}):
            with self.assertRaises(ValueError):
                answer(wrong)


if __name__ == "__main__":
    unittest.main()
