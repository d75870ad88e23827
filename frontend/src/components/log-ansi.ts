/**
 * Reads the colours programs write into their output (ECMA-48, "ANSI"). Colours become the page's
 * own, so that they can be read in both themes; everything else that moves a cursor is left out.
 */

export type Hue = "ink" | "red" | "green" | "yellow" | "blue" | "magenta" | "cyan" | "grey";

export interface Piece {
  text: string;
  hue?: Hue | undefined;
  bold?: boolean | undefined;
  dim?: boolean | undefined;
  italic?: boolean | undefined;
  underline?: boolean | undefined;
}

const ESC = "\u001b";
const HUES: Hue[] = ["ink", "red", "green", "yellow", "blue", "magenta", "cyan", "ink"];
// CSI … final byte | OSC … BEL or ST | other two-character escapes | other control characters
const SEQUENCE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this is about
  /\u001b\[([0-9;:?<=>]*)[ -/]*([@-~])|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|\u001b[()*+-/][ -~]?|\u001b[ -~]?|[\u0000-\u0008\u000b-\u001f\u007f]/g;

/** The text alone, as it is searched and copied. */
export function plainText(message: string): string {
  const shown = afterReturn(message);
  return dirty(shown) ? shown.replace(SEQUENCE, "") : shown;
}

/** The text in pieces of one look each. */
export function pieces(message: string): Piece[] {
  const shown = afterReturn(message);
  if (!shown.includes(ESC)) {
    return [{ text: dirty(shown) ? shown.replace(SEQUENCE, "") : shown }];
  }
  const found: Piece[] = [];
  let look: Omit<Piece, "text"> = {};
  let from = 0;
  for (const match of shown.matchAll(SEQUENCE)) {
    if (match.index > from) found.push({ ...look, text: shown.slice(from, match.index) });
    from = match.index + match[0].length;
    if (match[2] === "m") look = changed(look, match[1] ?? "");
  }
  if (from < shown.length) found.push({ ...look, text: shown.slice(from) });
  return found;
}

// A progress bar writes over itself: what it wrote last is what counts.
function afterReturn(message: string): string {
  if (!message.includes("\r")) return message;
  const last = message.replace(/\r+$/, "");
  return last.slice(last.lastIndexOf("\r") + 1);
}

function dirty(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this is about
  return /[\u0000-\u0008\u000b-\u001f\u007f]/.test(text);
}

function changed(look: Omit<Piece, "text">, parameters: string): Omit<Piece, "text"> {
  const codes = parameters.split(";").flatMap(numbers);
  let next = { ...look };
  for (let index = 0; index < codes.length; index += 1) {
    const code = codes[index] ?? 0;
    if (code === 0) next = {};
    else if (code === 1) next.bold = true;
    else if (code === 2) next.dim = true;
    else if (code === 3) next.italic = true;
    else if (code === 4) next.underline = true;
    else if (code === 22) next = { ...next, bold: undefined, dim: undefined };
    else if (code === 23) next.italic = undefined;
    else if (code === 24) next.underline = undefined;
    else if (code >= 30 && code <= 37) next.hue = HUES[code - 30];
    else if (code === 90) next.hue = "grey";
    else if (code >= 91 && code <= 97) next.hue = HUES[code - 90];
    else if (code === 39) next.hue = undefined;
    else if (code === 38 || code === 48) {
      const [hue, used] = extended(codes.slice(index + 1));
      if (code === 38) next.hue = hue;
      index += used;
    }
  }
  return next;
}

/** One parameter, or the parts of one that colons hold together (ITU T.416: a colour space first). */
function numbers(parameter: string): number[] {
  const parts = parameter.split(":").map((part) => Number(part || 0));
  return parts.length === 6 && parts[1] === 2 ? [...parts.slice(0, 2), ...parts.slice(3)] : parts;
}

/** Of 256 colours or 16 million, the nearest of ours; and how many numbers said it. */
function extended([kind, ...rest]: number[]): [Hue | undefined, number] {
  if (kind === 2) {
    const [red = 0, green = 0, blue = 0] = rest;
    return [nearest(red, green, blue), 4];
  }
  if (kind !== 5) return [undefined, 1];
  const index = rest[0] ?? 0;
  if (index < 8) return [HUES[index], 2];
  if (index === 8) return ["grey", 2];
  if (index < 16) return [HUES[index - 8], 2];
  if (index >= 232) return [index < 250 ? "grey" : "ink", 2];
  const cube = index - 16;
  const level = (at: number) => (at === 0 ? 0 : 55 + at * 40);
  return [
    nearest(level(Math.floor(cube / 36)), level(Math.floor(cube / 6) % 6), level(cube % 6)),
    2,
  ];
}

function nearest(red: number, green: number, blue: number): Hue {
  const high = Math.max(red, green, blue);
  const low = Math.min(red, green, blue);
  const span = high - low;
  if (span < 40) return high > 160 || high < 40 ? "ink" : "grey";
  const sector =
    high === red
      ? ((green - blue) / span + 6) % 6
      : high === green
        ? (blue - red) / span + 2
        : (red - green) / span + 4;
  const hues: Hue[] = ["red", "yellow", "green", "cyan", "blue", "magenta"];
  return hues[Math.round(sector) % 6] ?? "ink";
}
