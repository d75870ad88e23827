/** How a failure looks: what happened, what to do, the trace id to quote, and a way to try again. */

import { clsx } from "clsx";
import { RotateCw } from "lucide-react";
import { Component, type ReactNode } from "react";
import { Button } from "./button";
import { CopyButton } from "./copy";
import { Prose } from "./prose";

/** The shape of a failed call; anything thrown is brought into it. */
interface Shown {
  title: string;
  detail: string;
  traceId?: string | undefined;
  status?: number;
  fields?: { field: string; detail: string }[];
}

function shown(error: unknown): Shown {
  if (typeof error === "object" && error !== null && "detail" in error && "title" in error) {
    return error as Shown;
  }
  const chunk =
    error instanceof Error && /dynamically imported module|Importing a module/i.test(error.message);
  if (chunk) {
    return {
      title: "This part of the app did not arrive",
      detail: "The connection broke, or a newer version of Slipway is there. Load the page again.",
    };
  }
  return {
    title: "This part of the page failed",
    detail: error instanceof Error ? error.message : "It met something it did not expect.",
  };
}

export function Problem({
  error,
  retry,
  action,
  compact = false,
  className,
}: {
  error: unknown;
  retry?: (() => void) | undefined;
  action?: ReactNode;
  compact?: boolean;
  className?: string;
}) {
  const { title, detail, traceId, fields = [] } = shown(error);
  // Some problems tell of their fields in their own words.
  const untold = fields.filter((one) => !detail.includes(one.detail));
  return (
    <div
      role="alert"
      className={clsx(
        "rounded border border-port/40 border-l-4 border-l-port bg-port-wash text-sm",
        compact ? "px-3 py-2" : "px-4 py-3.5",
        className,
      )}
    >
      <p className="font-[620] text-port">{title}</p>
      <p className="mt-0.5 break-words text-ink">
        <Prose text={detail} />
      </p>
      {untold.length > 0 ? (
        <ul className="mt-1.5 space-y-0.5">
          {untold.map((one) => (
            <li key={`${one.field} ${one.detail}`} className="break-words">
              <code>{one.field}</code>: {one.detail}
            </li>
          ))}
        </ul>
      ) : null}
      {traceId ? (
        <p className="mt-1.5 flex items-center gap-1 text-xs text-ink-2">
          Trace <code className="break-all">{traceId}</code>
          <CopyButton text={traceId} label="Copy the trace id" />
        </p>
      ) : null}
      {retry || action ? (
        <div className="mt-3 flex flex-wrap gap-2">
          {retry ? (
            <Button size="sm" icon={RotateCw} onClick={retry}>
              Try again
            </Button>
          ) : null}
          {action}
        </div>
      ) : null}
    </div>
  );
}

interface BoundaryProps {
  children: ReactNode;
  /** A new value tries again, as when the page changes. */
  at?: string;
}

/** Keeps a failure of one part from taking the page with it. */
export class Boundary extends Component<BoundaryProps, { error: unknown }> {
  override state: { error: unknown } = { error: undefined };

  static getDerivedStateFromError(error: unknown) {
    return { error };
  }

  override componentDidUpdate(before: BoundaryProps) {
    if (before.at !== this.props.at && this.state.error !== undefined) {
      this.setState({ error: undefined });
    }
  }

  override render() {
    if (this.state.error === undefined) return this.props.children;
    return <Problem error={this.state.error} retry={() => this.setState({ error: undefined })} />;
  }
}
