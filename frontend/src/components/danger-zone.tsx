/** What ends something for good: said plainly, set apart, and asked once more. */
import { type ReactNode, useState } from "react";
import { Button } from "./button";
import { ConfirmDialog } from "./dialog";

export function DangerZone({
  title,
  told,
  action,
  question,
  phrase,
  warning,
  busy,
  onConfirm,
  children,
}: {
  title: string;
  /** What becomes of it. */
  told: ReactNode;
  action: string;
  question: string;
  /** What has to be typed first. */
  phrase: string;
  warning: ReactNode;
  busy: boolean;
  /** Ends it; the question is put away when that is done, well or not. */
  onConfirm: () => Promise<unknown>;
  /** A failure, for example. */
  children?: ReactNode;
}) {
  const [asking, setAsking] = useState(false);
  return (
    <section aria-label="Danger zone" className="plate border-port/40">
      <div className="flex flex-wrap items-center justify-between gap-4 p-4">
        <div className="min-w-0 flex-1 basis-72">
          <h2 className="text-base text-port">{title}</h2>
          <p className="mt-0.5 text-sm text-ink-2">{told}</p>
        </div>
        <Button variant="danger" onClick={() => setAsking(true)}>
          {action}
        </Button>
      </div>
      {children}
      <ConfirmDialog
        open={asking}
        onOpenChange={setAsking}
        title={question}
        action="Delete it"
        phrase={phrase}
        busy={busy}
        onConfirm={() =>
          onConfirm()
            .catch(() => undefined)
            .finally(() => setAsking(false))
        }
      >
        <p>{warning}</p>
      </ConfirmDialog>
    </section>
  );
}
