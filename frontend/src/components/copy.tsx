/** Copying, and code to be copied. */

import { clsx } from "clsx";
import { Check, Copy } from "lucide-react";
import { useEffect, useState } from "react";
import { IconButton } from "./button";

export function CopyButton({
  text,
  label = "Copy",
  className,
}: {
  text: string;
  label?: string;
  className?: string;
}) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 1600);
    return () => clearTimeout(timer);
  }, [copied]);
  return (
    <>
      <IconButton
        size="sm"
        icon={copied ? Check : Copy}
        label={copied ? "Copied" : label}
        className={className}
        onClick={() => {
          navigator.clipboard.writeText(text).then(
            () => setCopied(true),
            () => undefined,
          );
        }}
      />
      <span role="status" className="sr-only">
        {copied ? "Copied" : ""}
      </span>
    </>
  );
}

/** An id in a narrow column: cut off, to be copied whole. */
export function Id({ id }: { id: string }) {
  return (
    <span className="flex min-w-0 items-center">
      <code className="truncate" title={id}>
        {id}
      </code>
      <CopyButton text={id} label="Copy the id" className="-my-1" />
    </span>
  );
}

/** A block of code in one colour, with a button to take it along. */
export function CodeBlock({
  text,
  label,
  className,
}: {
  text: string;
  label?: string;
  className?: string;
}) {
  return (
    <div className={clsx("flex items-start rounded border border-line bg-sunk", className)}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <pre tabIndex={0} className="min-w-0 flex-1 overflow-x-auto py-3 pl-3.5 text-sm">
        <code>{text}</code>
      </pre>
      <CopyButton text={text} label={label ?? "Copy"} className="mx-1.5 mt-1.5" />
    </div>
  );
}
