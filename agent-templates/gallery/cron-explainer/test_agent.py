"""Tests of the agent; run them with `python -m unittest`."""

import unittest

from agent import EXAMPLE, answer


class Test(unittest.TestCase):
    def test_working_days(self):
        self.assertEqual(answer(EXAMPLE)["next"], ["2026-01-05T09:30:00", "2026-01-06T09:30:00"])

    def test_steps_names_and_shortcuts(self):
        at = "2026-01-01T00:01:00"
        self.assertEqual(answer({"cron": "*/20 * * * *", "after": at})["next"][0][11:16], "00:20")
        self.assertEqual(
            answer({"cron": "0 0 * feb sun", "after": at})["next"][0][:10], "2026-02-01"
        )
        self.assertEqual(answer({"cron": "@monthly", "after": at})["next"][0][:10], "2026-02-01")

    def test_day_or_weekday(self):
        found = answer({"cron": "0 0 13 * 5", "after": "2026-01-01T00:00:00", "runs": 2})["next"]
        self.assertEqual([t[:10] for t in found], ["2026-01-02", "2026-01-09"])

    def test_a_day_that_never_comes(self):
        self.assertEqual(answer({"cron": "0 0 30 2 *"})["next"], [])

    def test_nonsense_is_refused(self):
        for cron in ("", "* * * *", "61 * * * *", "a * * * *", "*/0 * * * *", "5-1 * * * *", None):
            with self.assertRaises(ValueError):
                answer({"cron": cron})


if __name__ == "__main__":
    unittest.main()
