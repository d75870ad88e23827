import { expect, test } from "vitest";
import { isRepositoryName, repositoryName } from "./repository-name";

test.each([
  ["ada/tides", "ada/tides"],
  [" https://github.com/ada/tides ", "ada/tides"],
  ["https://www.github.com/ada/tides.git", "ada/tides"],
  ["git@github.com:ada/tides.git", "ada/tides"],
  ["github.com/ada/tides/", "ada/tides"],
])("%s names %s", (typed, name) => {
  expect(repositoryName(typed)).toBe(name);
  expect(isRepositoryName(name)).toBe(true);
});

test.each(["", "tides", "ada/tides/tree/main", "https://example.org/ada", "ada/"])(
  "%s names no repository",
  (typed) => {
    expect(isRepositoryName(repositoryName(typed))).toBe(false);
  },
);
