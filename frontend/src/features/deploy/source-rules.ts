/** Knows which files make a source and which never do: the API's own rules, before anything is sent. */
import { LEFT_OUT, LIMITS } from "@/api/limits.gen";

export interface Fault {
  path: string;
  detail: string;
}

const encoder = new TextEncoder();

/** Why a file or folder of this name is left out, or undefined when it is taken. */
export function leftOutBy(name: string): string | undefined {
  if (LEFT_OUT.has(name) || name === "venv") return name;
  if (name.startsWith("._")) return "._*";
  return isSecrets(name) ? name : undefined;
}

/** Values of variables belong to the environment, not into an image. Samples may go along. */
export function isSecrets(name: string): boolean {
  return /^\.env(\..+)?$/.test(name) && !/\.(example|sample|template|dist|defaults?)$/.test(name);
}

/** What is wrong with a file's path, in the words of the API. */
export function faultOf(path: string): Fault | undefined {
  const parts = path.split("/");
  const fault = (detail: string) => ({ path, detail });
  if (hasControl(path)) return fault("has a control character in its name. Rename the file.");
  if (path.includes("\\")) return fault("has a backslash in its name. Rename the file.");
  if (parts.includes("..")) return fault("points outside of the folder.");
  if (parts.length - 1 >= LIMITS.depth) {
    return fault(`lies more than ${LIMITS.depth} folders deep. Move it up or leave it out.`);
  }
  const long = parts.some((part) => encoder.encode(part).length > LIMITS.segmentBytes);
  if (long || encoder.encode(path).length > LIMITS.pathBytes) {
    return fault(
      `is too long a name. Shorten each part to ${LIMITS.segmentBytes} bytes, the whole to ${LIMITS.pathBytes}.`,
    );
  }
  return undefined;
}

const ARCHIVE = /\.(zip|tar\.gz|tgz|tar)$/i;
const FOREIGN = /\.(7z|rar|tar\.(bz2|xz|zst)|bz2|xz|zst|dmg|exe|msi|iso|jar|pdf|docx?|xlsx?)$/i;

/** Whether a file is sent as it is, because it is an archive already. */
export function isArchive(name: string): boolean {
  return ARCHIVE.test(name);
}

/** What to say of a single file that cannot be a source. */
export function foreignKind(name: string): string | undefined {
  const found = FOREIGN.exec(name);
  if (!found) return undefined;
  return `${name} cannot be read as a source. Drop the folder itself, a zip, a tar.gz, or a source file such as app.py or index.html.`;
}

/** A name for an agent, from what its source is called. */
export function nameFor(source: string): string {
  const bare = source.replace(ARCHIVE, "").replace(/\.[a-z]{1,5}$/i, "");
  const words = [...bare]
    .filter((sign) => !hasControl(sign))
    .join("")
    .replace(/[-_]+/g, " ")
    .trim();
  const name = [...words].slice(0, 80).join("");
  return name ? name.charAt(0).toUpperCase() + name.slice(1) : "My agent";
}

function hasControl(text: string): boolean {
  return [...text].some((sign) => sign < " " || sign === "\u007f");
}
