/** What failed of an agent: said once, with why, what to change, and the way to all there is of it. */
import type { ReactNode } from "react";
import type { Reason } from "@/api/types";
import { Light } from "@/components/status";

export function Failure({
  title,
  reasons,
  children,
}: {
  title: ReactNode;
  reasons: Reason[];
  /** Where to go from here. */
  children: ReactNode;
}) {
  return (
    <div className="border-l-4 border-l-port bg-port-wash px-4 py-3.5 sm:px-5">
      <p className="flex items-center gap-2 font-[620] text-port">
        <Light tone="failed" />
        {title}
      </p>
      {reasons.map((reason) => (
        <Why key={`${reason.code} ${reason.file} ${reason.line} ${reason.detail}`} {...reason} />
      ))}
      <div className="mt-3 flex flex-wrap gap-2">{children}</div>
    </div>
  );
}

/** The advice as it is written, and what the agent itself has put out as it came. */
function Why({ detail, file, line }: Reason) {
  const [advice = "", ...output] = detail.split("\n");
  return (
    <div className="mt-1.5 max-w-3xl text-sm">
      <p className="break-words">{advice}</p>
      {output.length > 0 ? (
        <p className="mt-2 rounded-sm bg-plate/70 px-3 py-2 font-mono text-xs leading-5 break-words whitespace-pre-wrap">
          {output.join("\n")}
        </p>
      ) : null}
      {file ? (
        <code className="mt-1 block text-ink-2">
          {file}
          {line ? `:${line}` : ""}
        </code>
      ) : null}
    </div>
  );
}
