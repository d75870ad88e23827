"""Tests of the agent; run them with `python -m unittest`."""

import unittest

from agent import EXAMPLE, answer


class Test(unittest.TestCase):
    def test_fields_are_filled_and_missing_ones_told(self):
        first, second = answer(EXAMPLE)["texts"]
        self.assertEqual(first["text"], "Dear Ada, your order 7 is on its way.")
        self.assertEqual(second["missing"], ["order"])
        self.assertIn("{{order}}", second["text"])

    def test_data_is_no_template(self):
        found = answer({"template": "{{a}}", "rows": [{"a": "{{b}}", "b": "x"}]})
        self.assertEqual(found["texts"][0]["text"], "{{b}}")

    def test_nothing_is_refused(self):
        for wrong in ({}, {"template": "x", "rows": []}, {"template": "", "rows": [{}]}):
            with self.assertRaises(ValueError):
                answer(wrong)


if __name__ == "__main__":
    unittest.main()
