/** Writes plain data as YAML 1.2, as people write it in agent.yaml. */

type Data = unknown;

export function toYaml(value: Data): string {
  if (isEmpty(value) || typeof value !== "object") return `${scalar(value)}\n`;
  return block(value, "");
}

function block(value: Data, indent: string): string {
  if (Array.isArray(value)) {
    return value
      .map((item) => {
        if (isEmpty(item) || typeof item !== "object") return `${indent}- ${scalar(item)}\n`;
        const inner = block(item, `${indent}  `);
        return `${indent}- ${inner.slice(indent.length + 2)}`;
      })
      .join("");
  }
  return Object.entries(value as Record<string, Data>)
    .filter(([, item]) => item !== undefined)
    .map(([name, item]) => {
      const key = plain(name) ? name : JSON.stringify(name);
      if (isEmpty(item) || typeof item !== "object") {
        if (typeof item === "string" && /\n[^\n]/.test(item) && !/[^\S\n]\n|\r|\t/.test(item)) {
          return `${indent}${key}: ${literal(item, indent)}`;
        }
        return `${indent}${key}: ${scalar(item)}\n`;
      }
      return `${indent}${key}:\n${block(item, `${indent}  `)}`;
    })
    .join("");
}

function literal(text: string, indent: string): string {
  if (/^\s/.test(text)) return `${JSON.stringify(text)}\n`;
  const chomp = text.endsWith("\n\n") ? null : text.endsWith("\n") ? "" : "-";
  if (chomp === null) return `${JSON.stringify(text)}\n`;
  const lines = text.replace(/\n$/, "").split("\n");
  return `|${chomp}\n${lines.map((line) => (line ? `${indent}  ${line}` : "")).join("\n")}\n`;
}

function scalar(value: Data): string {
  if (value === null || value === undefined) return "null";
  if (Array.isArray(value)) return "[]";
  if (typeof value === "object") return "{}";
  if (typeof value !== "string") return String(value);
  return plain(value) ? value : JSON.stringify(value);
}

function isEmpty(value: Data): boolean {
  if (value === null) return true;
  return typeof value === "object" && Object.keys(value as object).length === 0;
}

const SPECIAL =
  /^(?:true|false|yes|no|on|off|null|~|[-+]?(?:0x[0-9a-f_]+|0o?[0-7_]+|[0-9][0-9_]*(?:\.[0-9_]*)?(?:e[-+]?[0-9]+)?|\.[0-9_]+|\.inf)|\.nan|\d+(?::\d+)+|\d{4}-\d\d?-\d\d?.*|=|<<)$/i;

/** Whether a text can stand without quotes. */
function plain(text: string): boolean {
  if (text === "" || SPECIAL.test(text)) return false;
  if (/^[\s!&*'"%@`,[\]{}|>#]|^[-?:](?:\s|$)|\s$/.test(text)) return false;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what must be quoted
  return !/: |:$| #|[\u0000-\u001f\u007f-\u009f\u2028\u2029\ufeff]/.test(text);
}
