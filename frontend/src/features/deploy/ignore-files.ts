/** Knows what `.gitignore` files leave out, with git's rules: the nearest file decides. */
import ignore, { type Ignore } from "ignore";

export class IgnoreFiles {
  #rules = new Map<string, Ignore>();

  /** Takes the text of the `.gitignore` in this folder ("" is the top). */
  add(folder: string, text: string): void {
    this.#rules.set(folder, ignore({ allowRelativePaths: false }).add(text));
  }

  /** Whether this path is ignored; its folders have been asked about before. */
  ignores(path: string, folder: boolean): boolean {
    if (this.#rules.size === 0) return false;
    const asked = folder ? `${path}/` : path;
    let base = path;
    while (base !== "") {
      base = base.includes("/") ? base.slice(0, base.lastIndexOf("/")) : "";
      const rules = this.#rules.get(base);
      if (!rules) continue;
      const verdict = rules.test(base ? asked.slice(base.length + 1) : asked);
      if (verdict.ignored) return true;
      if (verdict.unignored) return false;
    }
    return false;
  }
}
