/** Reads the lines of a `.env` file: NAME=value, quoted or not, comments left out. */

export function parseEnv(text: string): Map<string, string> {
  const values = new Map<string, string>();
  const line =
    /^[ \t]*(?:export[ \t]+)?([A-Za-z_]\w*)[ \t]*=[ \t]*(?:'([^']*)'|"((?:[^"\\]|\\[\s\S])*)"|([^\r\n]*))/gm;
  for (const [, name = "", single, double, bare] of text.matchAll(line)) {
    if (single !== undefined) values.set(name, single);
    else if (double !== undefined) values.set(name, unescaped(double));
    else values.set(name, (bare ?? "").replace(/\s+#.*$/, "").trim());
  }
  return values;
}

/** Names that sound like secrets are kept as such. */
export function soundsSecret(name: string): boolean {
  return /(KEY|TOKEN|SECRET|PASS(WORD|WD)?|CREDENTIAL|PRIVATE|DSN|AUTH)/i.test(name);
}

function unescaped(text: string): string {
  return text.replace(/\\([nrt"\\$])/g, (_, one: string) =>
    one === "n" ? "\n" : one === "r" ? "\r" : one === "t" ? "\t" : one,
  );
}
