/** Where a source is dropped: a folder, an archive, loose files, by hand or by keyboard. */

import { clsx } from "clsx";
import { FileUp, FolderUp } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { Button } from "@/components/button";
import { toast } from "@/components/toast";
import { nodesOfDrop, nodesOfList, type SourceNode } from "./source-nodes";

export function DropZone({ onSource }: { onSource: (nodes: SourceNode[]) => void }) {
  const files = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  const over = useDrop((nodes) => {
    if (nodes.length > 0) onSource(nodes);
    else
      toast.note("There was no file in that", {
        detail: "Drop a folder, a zip, a tar.gz, or source files.",
      });
  });
  const chosen = (input: HTMLInputElement) => {
    if (input.files?.length) onSource(nodesOfList(input.files));
    input.value = "";
  };
  return (
    <section
      aria-label="Your own source"
      className={clsx(
        "relative overflow-hidden rounded-lg border-2 border-dashed transition-colors",
        over ? "border-sea bg-sea-wash" : "border-line-2 bg-plate",
      )}
    >
      <div
        aria-hidden="true"
        className="draught-y absolute inset-y-4 right-4 hidden text-line-2 sm:block"
      />
      <div className="flex flex-col items-center px-6 py-12 text-center sm:py-16">
        <Berth over={over} />
        <h2 className="mt-5 text-xl">{over ? "Let go" : "Drop your agent here"}</h2>
        <p className="mt-1.5 max-w-md text-ink-2">
          A folder, a zip, a tar.gz or loose files, in Python, Node.js, Rust, or a page. No manifest
          is needed: it is worked out, and shown before anything is built.
        </p>
        <div className="mt-6 flex flex-wrap justify-center gap-2">
          <Button variant="primary" icon={FolderUp} onClick={() => folder.current?.click()}>
            Choose a folder
          </Button>
          <Button icon={FileUp} onClick={() => files.current?.click()}>
            Choose files or a zip
          </Button>
        </div>
        <p className="mt-5 text-sm text-ink-3">
          Left out automatically: .git, node_modules, virtual environments, .env files, and what
          .gitignore names.
        </p>
      </div>
      <input
        ref={folder}
        type="file"
        hidden
        aria-label="Folder"
        data-testid="folder"
        {...{ webkitdirectory: "" }}
        onChange={(event) => chosen(event.currentTarget)}
      />
      <input
        ref={files}
        type="file"
        hidden
        multiple
        aria-label="Files"
        data-testid="files"
        onChange={(event) => chosen(event.currentTarget)}
      />
    </section>
  );
}

/** A drop anywhere on the page counts: one that misses must not make the browser leave. */
function useDrop(onDrop: (nodes: SourceNode[]) => void): boolean {
  const [over, setOver] = useState(false);
  const told = useRef(onDrop);
  told.current = onDrop;
  useEffect(() => {
    const stop = new AbortController();
    const on = <K extends keyof DocumentEventMap>(
      name: K,
      react: (event: DocumentEventMap[K]) => void,
    ) => document.addEventListener(name, react, { signal: stop.signal });
    on("dragover", (event) => {
      event.preventDefault();
      if (event.dataTransfer) event.dataTransfer.dropEffect = "copy";
      setOver(true);
    });
    on("dragleave", (event) => {
      if (event.relatedTarget === null) setOver(false);
    });
    on("drop", (event) => {
      event.preventDefault();
      setOver(false);
      if (event.dataTransfer) told.current(nodesOfDrop(event.dataTransfer));
    });
    return () => stop.abort();
  }, []);
  return over;
}

/** An empty slip, waiting. */
function Berth({ over }: { over: boolean }) {
  return (
    <svg viewBox="0 0 220 76" aria-hidden="true" className="h-19 w-55 overflow-visible">
      <g className={clsx("transition-transform duration-300", over && "translate-y-1.5")}>
        <path d="M36 24h108l16-6-14 34H58z" className="fill-ink" />
        <path d="M50.500 42h100l-4 10H58z" className="fill-oxide" />
        <path d="M70 24V10h34v14" className="fill-ink" />
        <path d="M86 10V2" className="stroke-ink" strokeWidth="3" />
        <path d="M120 30v8m6-8v8m6-8v8" className="stroke-plate" strokeWidth="2" />
      </g>
      <path d="M6 56h208" className="stroke-ink-3" strokeWidth="3" />
      <path
        d="M26 57v17M68 57v17M110 57v17M152 57v17M194 57v17"
        className="stroke-line-2"
        strokeWidth="2"
      />
    </svg>
  );
}
