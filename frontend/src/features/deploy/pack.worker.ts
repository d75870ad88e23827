/** Packs files into a zip beside the page, a piece at a time, so that the page stays quick. */
import { Zip, ZipDeflate, ZipPassThrough } from "fflate";
import type { FromPacker, ToPacker } from "./packing";

const PACKED_ALREADY =
  /\.(png|jpe?g|gif|webp|avif|mp[34]|mov|webm|ogg|zip|gz|tgz|bz2|xz|zst|7z|whl|jar|woff2?|pdf|parquet)$/i;
const MAY_RUN = /(^|\/)[^./]+$|\.(sh|bash|py|js|mjs|rb|pl)$/i;
const UNIX = 3;
/** Bytes that are handed to a Blob at once: a Blob may lie on disk, an array may not. */
const SHELF = 4_000_000;

const tell = (message: FromPacker) => self.postMessage(message);

self.onmessage = ({ data }: MessageEvent<ToPacker>) => {
  pack(data).catch((error: unknown) => {
    tell({ kind: "failed", detail: error instanceof Error ? error.message : String(error) });
  });
};

async function pack({ files, limit }: ToPacker): Promise<void> {
  const shelves: Blob[] = [];
  let shelf: Uint8Array<ArrayBuffer>[] = [];
  let onShelf = 0;
  let packed = 0;
  let broken: Error | null = null;
  const zip = new Zip((error, chunk) => {
    if (error) broken = error;
    shelf.push(chunk as Uint8Array<ArrayBuffer>);
    onShelf += chunk.length;
    packed += chunk.length;
    if (onShelf >= SHELF) {
      shelves.push(new Blob(shelf));
      shelf = [];
      onShelf = 0;
    }
  });
  let read = 0;
  let told = 0;
  for (const [index, { path, file }] of files.entries()) {
    const entry = PACKED_ALREADY.test(path)
      ? new ZipPassThrough(path)
      : new ZipDeflate(path, { level: 6 });
    entry.mtime = clamped(file.lastModified);
    entry.os = UNIX;
    entry.attrs = ((await runs(path, file)) ? 0o100755 : 0o100644) << 16;
    zip.add(entry);
    try {
      for (const reader = file.stream().getReader(); ; ) {
        const { done, value } = await reader.read();
        if (done) break;
        entry.push(value);
        read += value.length;
        if (performance.now() - told > 100) {
          told = performance.now();
          tell({ kind: "progress", files: index, read });
        }
        if (packed > limit) {
          tell({ kind: "too-large", read, files: index });
          return;
        }
      }
    } catch {
      tell({ kind: "unreadable", path });
      return;
    }
    entry.push(new Uint8Array(0), true);
    if (broken) throw broken;
  }
  zip.end();
  tell({ kind: "packed", blob: new Blob([...shelves, ...shelf], { type: "application/zip" }) });
}

/** Browsers do not say what may be run; a first line that names an interpreter does. */
async function runs(path: string, file: File): Promise<boolean> {
  if (!MAY_RUN.test(path) || file.size < 3) return false;
  const head = new Uint8Array(
    await file
      .slice(0, 2)
      .arrayBuffer()
      .catch(() => new ArrayBuffer(0)),
  );
  return head[0] === 0x23 && head[1] === 0x21;
}

/** Zips know years from 1980 to 2099. */
function clamped(time: number): number {
  return Math.min(Math.max(time, Date.UTC(1981, 0, 1)), Date.UTC(2098, 0, 1));
}
