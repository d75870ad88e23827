"""Tests of the agent; run them with `python -m unittest`."""

import unittest

from agent import EXAMPLE, answer


class Test(unittest.TestCase):
    def test_numbers_become_numbers_and_codes_stay(self):
        found = answer({"csv": "zip,n,x\n01234,1.5,\n"})["records"]
        self.assertEqual(found, [{"zip": "01234", "n": 1.5, "x": None}])

    def test_quoted_cells_may_hold_the_delimiter(self):
        found = answer({"csv": 'a,b\n"1,2","x\ny"\n'})["records"]
        self.assertEqual(found, [{"a": "1,2", "b": "x\ny"}])

    def test_ragged_rows_are_named(self):
        with self.assertRaisesRegex(ValueError, "Row 2 has 1"):
            answer({"csv": "a,b\n1\n"})

    def test_nothing_is_refused(self):
        for wrong in ({}, {"csv": ""}, {"csv": "a,a\n1,2"}, {"csv": "a", "delimiter": "xx"}):
            with self.assertRaises(ValueError):
                answer(wrong)

    def test_example(self):
        self.assertEqual(answer(EXAMPLE)["records"][0], {"name": "Ada", "age": 36})


if __name__ == "__main__":
    unittest.main()
