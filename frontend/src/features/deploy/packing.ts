/** Knows how to have files packed by the worker, with progress and a way to stop. */
import { LIMITS } from "@/api/limits.gen";
import { NotASource, type SourceFile } from "./gather";

export interface ToPacker {
  files: SourceFile[];
  limit: number;
}
export type FromPacker =
  | { kind: "progress"; files: number; read: number }
  | { kind: "packed"; blob: Blob }
  | { kind: "too-large"; files: number; read: number }
  | { kind: "unreadable"; path: string }
  | { kind: "failed"; detail: string };

export function pack(
  files: SourceFile[],
  signal: AbortSignal,
  onProgress: (done: { files: number; read: number }) => void,
): Promise<Blob> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./pack.worker.ts", import.meta.url), { type: "module" });
    const end = (settle: () => void) => {
      worker.terminate();
      signal.removeEventListener("abort", stop);
      settle();
    };
    const stop = () => end(() => reject(signal.reason));
    signal.addEventListener("abort", stop);
    worker.onerror = () =>
      end(() => reject(new NotASource("Packing failed", "Try again, or pack a zip yourself.")));
    worker.onmessage = ({ data }: MessageEvent<FromPacker>) => {
      if (data.kind === "progress") onProgress(data);
      else if (data.kind === "packed") end(() => (judge(data.blob, files) ?? resolve)(data.blob));
      else end(() => reject(refusal(data)));
    };
    worker.postMessage({ files, limit: LIMITS.packed } satisfies ToPacker);

    function judge(blob: Blob, packed: SourceFile[]) {
      const bytes = packed.reduce((sum, { file }) => sum + file.size, 0);
      if (bytes <= LIMITS.ratioFloor || bytes / blob.size <= LIMITS.ratio) return undefined;
      return () =>
        reject(
          new NotASource(
            "This source packs too well",
            `It is ${LIMITS.ratio} times as large unpacked as packed, as archives that do harm are. Leave out generated data.`,
          ),
        );
    }
  });
}

function refusal(message: Exclude<FromPacker, { kind: "progress" } | { kind: "packed" }>): Error {
  if (message.kind === "too-large") {
    return new NotASource(
      "The source is too large",
      `Packed it may have ${LIMITS.packed / 1_000_000} MB. Leave out dependencies, build output and data.`,
    );
  }
  if (message.kind === "unreadable") {
    return new NotASource(
      `${message.path} could not be read`,
      "It changed, moved or is locked. Drop the folder again.",
    );
  }
  return new NotASource("Packing failed", message.detail);
}
