/** What a view says when there is nothing to show: why, and what to do. */
import type { ReactNode } from "react";

export function Empty({
  title,
  children,
  action,
  quiet = false,
}: {
  title: string;
  children?: ReactNode;
  action?: ReactNode;
  /** Nothing here is how it should be: a line is enough. */
  quiet?: boolean;
}) {
  if (quiet) {
    return (
      <div className="px-4 py-4 text-sm">
        <p className="font-[600]">{title}</p>
        {children ? <div className="mt-0.5 text-ink-2">{children}</div> : null}
      </div>
    );
  }
  return (
    <div className="flex flex-col items-center px-6 py-14 text-center">
      <svg viewBox="0 0 120 44" aria-hidden="true" className="mb-5 h-11 text-line-2">
        <path d="M4 34 116 12" stroke="currentColor" strokeWidth="2" />
        <path
          d="M14 32v10M42 26.600v15.400M70 21v21M98 15.600v26.400"
          stroke="currentColor"
          strokeWidth="1.5"
        />
        <path d="M0 42h120" stroke="currentColor" strokeWidth="1" strokeDasharray="3 4" />
      </svg>
      <p className="text-lg font-[620]">{title}</p>
      {children ? (
        <div className="mt-1.5 max-w-md text-sm text-balance text-ink-2">{children}</div>
      ) : null}
      {action ? <div className="mt-5 flex flex-wrap justify-center gap-2">{action}</div> : null}
    </div>
  );
}
