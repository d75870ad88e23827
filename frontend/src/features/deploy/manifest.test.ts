import { describe, expect, it } from "vitest";
import { read, wantedVariables, withSleep, write } from "./manifest";

describe("the manifest behind the form", () => {
  it("changes one field and keeps the rest", () => {
    const before = { runtime: "python", start: { command: "a" }, tests: [{ name: "x" }] };
    const after = write(before, "start", "b");
    expect(after).toEqual({ ...before, start: { command: "b" } });
    expect(before.start.command).toBe("a");
  });

  it("makes numbers of figures, and leaves a typing error to be told", () => {
    expect(write({}, "port", "8000")).toEqual({ port: 8000 });
    expect(write({}, "memory", "lots")).toEqual({ resources: { memory_mb: "lots" } });
  });

  it("leaves out what is empty", () => {
    expect(write({ build: { command: "x" }, runtime: "rust" }, "build", "")).toEqual({
      runtime: "rust",
    });
    expect(withSleep({ resources: { sleep: true } }, false)).toEqual({});
    expect(read({}, "health")).toBe("");
  });

  it("gathers variables from the manifest and from what was inferred, each once", () => {
    const manifest = {
      env: [
        { name: "KEY", required: true, secret: true, description: "From your account." },
        { name: "DAYS", default: 3, required: true },
      ],
    };
    const plan = { required_env: ["KEY"], suggested_env: ["DAYS", "API_TOKEN"] };
    const found = wantedVariables(manifest, plan, (name) => name.includes("TOKEN"));
    expect(found.map(({ name, required, secret }) => [name, required, secret])).toEqual([
      ["KEY", true, true],
      ["DAYS", false, false],
      ["API_TOKEN", false, true],
    ]);
  });
});
