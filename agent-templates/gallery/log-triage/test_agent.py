"""Tests of the agent; run them with `python -m unittest`."""

import unittest

from agent import EXAMPLE, answer


class Test(unittest.TestCase):
    def test_what_says_the_same_is_one_group(self):
        found = answer(EXAMPLE)["groups"]
        self.assertEqual(
            [(g["level"], g["count"]) for g in found], [("error", 2), ("warn", 1), ("info", 1)]
        )

    def test_times_and_ids_make_no_difference(self):
        log = (
            "2026-01-01T10:00:00Z ERROR 3f2b8c1d-1111-2222-3333-444455556666 gone\n"
            "2026-01-02 11:00:00,5 ERROR 4f2b8c1d-1111-2222-3333-444455556667 gone\n"
        )
        self.assertEqual(len(answer({"log": log})["groups"]), 1)

    def test_nothing_is_refused(self):
        for wrong in ({}, {"log": ""}):
            with self.assertRaises(ValueError):
                answer(wrong)


if __name__ == "__main__":
    unittest.main()
