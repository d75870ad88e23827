import { describe, expect, it } from "vitest";
import { LIMITS } from "@/api/limits.gen";
import { gather, NotASource } from "./gather";
import type { SourceNode } from "./source-nodes";

type Tree = { [name: string]: string | Tree };

function nodes(tree: Tree): SourceNode[] {
  return Object.entries(tree).map(([name, inside]) =>
    typeof inside === "string"
      ? { kind: "file", name, file: async () => new File([inside], name) }
      : { kind: "folder", name, children: async () => nodes(inside) },
  );
}

const signal = new AbortController().signal;
const paths = async (tree: Tree, without?: ReadonlySet<string>) =>
  (await gather(nodes(tree), { signal, ...(without ? { without } : {}) })).files.map((f) => f.path);
const refusal = async (tree: Tree) =>
  gather(nodes(tree), { signal }).then(
    () => undefined,
    (error: unknown) => error as NotASource,
  );

describe("gathering a source", () => {
  it("takes what lies in a single folder, as if it were dropped itself", async () => {
    expect(await paths({ app: { "main.py": "", lib: { "a.py": "" } } })).toEqual([
      "lib/a.py",
      "main.py",
    ]);
  });

  it("keeps the folders of a mixed drop", async () => {
    expect(await paths({ "main.py": "", lib: { "a.py": "" } })).toEqual(["lib/a.py", "main.py"]);
  });

  it("names the agent after the folder, in any script", async () => {
    const found = await gather(nodes({ "mein-größter_agent 世界": { "a.py": "" } }), { signal });
    expect(found.name).toBe("Mein größter agent 世界");
  });

  it("leaves out what is made again, and virtual environments of any name", async () => {
    const tree = {
      app: {
        "main.py": "",
        ".git": { config: "" },
        node_modules: { x: { "i.js": "" } },
        "._main.py": "",
        env39: { "pyvenv.cfg": "", lib: { "x.py": "" } },
        src: { __pycache__: { "a.pyc": "" }, "a.py": "" },
      },
    };
    const found = await gather(nodes(tree), { signal });
    expect(found.files.map((f) => f.path)).toEqual(["main.py", "src/a.py"]);
    expect([...found.leftOut.keys()].sort()).toEqual([
      "._*",
      ".git",
      "__pycache__",
      "env39",
      "node_modules",
    ]);
  });

  it("keeps values of variables at home, and offers them", async () => {
    const tree = { app: { ".env": "KEY=1", ".env.local": "", ".env.example": "KEY=", "a.py": "" } };
    const found = await gather(nodes(tree), { signal });
    expect(found.files.map((f) => f.path)).toEqual([".env.example", "a.py"]);
    expect(found.env).toBe("KEY=1");
  });

  it("obeys .gitignore as git does, the nearest one first", async () => {
    const tree = {
      app: {
        ".gitignore": "*.log\n/only-top\nbuild/\n!keep.log\n",
        "a.log": "",
        "keep.log": "",
        "only-top": "",
        build: { x: "" },
        sub: { ".gitignore": "!a.log\nsecret\n", "a.log": "", secret: "", "only-top": "" },
      },
    };
    expect(await paths(tree)).toEqual([
      ".gitignore",
      "keep.log",
      "sub/.gitignore",
      "sub/a.log",
      "sub/only-top",
    ]);
  });

  it("says which folders are too much, and goes on without them", async () => {
    const many = Object.fromEntries(
      Array.from({ length: LIMITS.files + 1 }, (_, index) => [`${index}.txt`, ""]),
    );
    const tree = { app: { "index.html": "", data: many } };
    const error = await refusal(tree);
    expect(error).toBeInstanceOf(NotASource);
    expect(error?.heaviest).toEqual([{ folder: "data", files: LIMITS.files + 1 }]);
    expect(await paths(tree, new Set(["data"]))).toEqual(["index.html"]);
  });

  it.each([
    ["a/b\\c", "backslash"],
    ["bell\u0007", "control character"],
    [`${"ß".repeat(128)}.py`, "too long"],
  ])("refuses the name %j", async (name, says) => {
    const error = await refusal({ app: { "main.py": "", [name]: "" } });
    expect(error?.faults[0]?.detail).toContain(says);
  });

  it("refuses what lies too deep", async () => {
    let tree: Tree = { "x.py": "" };
    for (let depth = 0; depth < LIMITS.depth; depth += 1) tree = { d: tree };
    expect((await refusal({ app: { ...tree, "main.py": "" } }))?.faults).toHaveLength(1);
  });

  it.each([
    [{}, "There was no file in that"],
    [{ app: {} }, "There is nothing in it to deploy"],
    [{ app: { ".git": { x: "" } } }, "There is nothing in it to deploy"],
    [{ "x.zip": "" }, "x.zip is empty"],
    [{ "x.rar": "1" }, "This cannot be a source"],
  ] as [Tree, string][])("refuses %j: %s", async (tree, title) => {
    expect((await refusal(tree))?.title).toBe(title);
  });

  it("sends an archive as it is", async () => {
    const found = await gather(nodes({ "my-agent.tar.gz": "x" }), { signal });
    expect(found.archive?.name).toBe("my-agent.tar.gz");
    expect(found.name).toBe("My agent");
  });

  it("stops when it is told to", async () => {
    const stop = new AbortController();
    stop.abort();
    await expect(gather(nodes({ a: { "x.py": "" } }), { signal: stop.signal })).rejects.toThrow();
  });
});
