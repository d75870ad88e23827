"""Tests of the agent; run them with `python -m unittest`."""

import unittest

from agent import EXAMPLE, answer


class Test(unittest.TestCase):
    def test_faults_are_found(self):
        self.assertEqual(len(answer(EXAMPLE)["faults"]), 2)

    def test_dangling_references_and_twins(self):
        operation = {"operationId": "a", "responses": {"200": {"$ref": "#/components/x"}}}
        paths = {"/a": {"get": operation}, "/b": {"get": operation}}
        faults = answer({"document": {"openapi": "3.0.1", "paths": paths}})["faults"]
        self.assertEqual(len(faults), 3)

    def test_a_clean_document(self):
        paths = {"/a": {"get": {"operationId": "a", "responses": {"200": {"description": ""}}}}}
        self.assertTrue(answer({"document": {"openapi": "3.0.1", "paths": paths}})["ok"])

    def test_other_things_are_refused(self):
        for wrong in ({}, {"document": {"swagger": "2.0"}}, {"document": "x"}):
            with self.assertRaises(ValueError):
                answer(wrong)


if __name__ == "__main__":
    unittest.main()
