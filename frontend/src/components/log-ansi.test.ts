import { describe, expect, it } from "vitest";
import { pieces, plainText } from "./log-ansi";

describe("the colours of a log", () => {
  it("become ours, and end where they were ended", () => {
    expect(pieces("\u001b[1;31mno\u001b[0m yes")).toEqual([
      { text: "no", bold: true, hue: "red" },
      { text: " yes" },
    ]);
  });

  it("are the nearest of ours when there are 256 or 16 million", () => {
    expect(pieces("\u001b[38;5;208mx")[0]?.hue).toBe("yellow");
    expect(pieces("\u001b[38;2;10;20;200mx")[0]?.hue).toBe("blue");
    expect(pieces("\u001b[38:2::0:200:0mx")[0]?.hue).toBe("green");
    expect(pieces("\u001b[38;5;244mx")[0]?.hue).toBe("grey");
  });

  it("leave nothing of cursors, titles, links and bells", () => {
    const wild =
      "\u001b[2K\u001b[1A\u001b]0;title\u0007\u001b]8;;http://x\u001b\\link\u001b]8;;\u001b\\ \u0007done\u001b(B";
    expect(plainText(wild)).toBe("link done");
  });

  it("show of a progress bar what it wrote last", () => {
    expect(plainText("10%\r20%\r100% done\r")).toBe("100% done");
  });

  it("leave markup alone: it is text", () => {
    expect(pieces("<img src=x onerror=alert(1)>")).toEqual([
      { text: "<img src=x onerror=alert(1)>" },
    ]);
  });

  it("keep any script as it is", () => {
    expect(plainText("潮汐 \u001b[32mمد\u001b[0m 🌊")).toBe("潮汐 مد 🌊");
  });
});
