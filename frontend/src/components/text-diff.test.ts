import { describe, expect, it } from "vitest";
import { diffLines } from "./text-diff";
import { toYaml } from "./yaml";

const shown = (before: string, after: string) =>
  diffLines(before, after).map(
    ({ kind, text }) => `${{ same: " ", added: "+", removed: "-" }[kind]}${text}`,
  );

describe("what is different", () => {
  it("keeps what both have and names the rest", () => {
    expect(shown("a\nb\nc\nd\n", "a\nx\nc\nd\ne\n")).toEqual([" a", "-b", "+x", " c", " d", "+e"]);
  });

  it("counts lines on both sides", () => {
    expect(diffLines("a\nb\n", "b\n")).toEqual([
      { kind: "removed", text: "a", before: 1 },
      { kind: "same", text: "b", before: 2, after: 1 },
    ]);
  });

  it("knows texts that are empty or the same", () => {
    expect(shown("", "")).toEqual([]);
    expect(shown("", "a\n")).toEqual(["+a"]);
    expect(shown("a\nb", "a\nb\n")).toEqual([" a", " b"]);
  });

  it("puts any two texts together again", () => {
    const texts = ["", "a", "a\nb\nc", "c\nb\na", "x\na\nb\ny\nc\nz", "b\nb\nb", "a\nb\nb\nc\nb"];
    for (const before of texts) {
      for (const after of texts) {
        const lines = diffLines(before, after);
        const of = (gone: string) =>
          lines
            .filter(({ kind }) => kind !== gone)
            .map(({ text }) => text)
            .join("\n");
        expect([of("added"), of("removed")]).toEqual([before, after]);
      }
    }
  });
});

describe("a manifest as people write it", () => {
  it("quotes what would be read as something else", () => {
    expect(
      toYaml({
        a: "yes",
        b: "1.0",
        c: "x: y",
        d: " lead",
        e: "#no",
        f: "plain text",
        g: "",
        h: "null",
      }),
    ).toBe(
      'a: "yes"\nb: "1.0"\nc: "x: y"\nd: " lead"\ne: "#no"\nf: plain text\ng: ""\nh: "null"\n',
    );
  });

  it("nests lists and keeps text of several lines readable", () => {
    expect(
      toYaml({ env: [{ name: "A", secret: true }], run: "one\ntwo\n", none: [], nil: null }),
    ).toBe("env:\n  - name: A\n    secret: true\nrun: |\n  one\n  two\nnone: []\nnil: null\n");
  });
});
