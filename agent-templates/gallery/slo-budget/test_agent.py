"""Tests of the agent; run them with `python -m unittest`."""

import unittest

from agent import EXAMPLE, answer


class Test(unittest.TestCase):
    def test_the_budget_and_what_is_left(self):
        found = answer(EXAMPLE)
        self.assertEqual(
            (found["budget_minutes"], found["left_minutes"], found["met"]), (43.2, 22.7, True)
        )

    def test_an_overspent_budget(self):
        found = answer({"target_percent": 99.99, "window_days": 30, "outages_minutes": [10]})
        self.assertFalse(found["met"])

    def test_a_perfect_target_has_no_budget(self):
        self.assertIsNone(answer({"target_percent": 100, "window_days": 1})["spent_percent"])

    def test_nonsense_is_refused(self):
        for wrong in (
            {},
            {"target_percent": 101, "window_days": 1},
            {"target_percent": True, "window_days": 1},
            {"target_percent": 99, "window_days": 1, "outages_minutes": [2000]},
        ):
            with self.assertRaises(ValueError):
                answer(wrong)


if __name__ == "__main__":
    unittest.main()
