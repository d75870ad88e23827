/** Proving that the log is whole, and taking it along. */
import { useMutation } from "@tanstack/react-query";
import { Download, ShieldCheck } from "lucide-react";
import { useState } from "react";
import { exportAudit, verifyAudit } from "@/api/audit";
import { Button } from "@/components/button";
import { CopyButton } from "@/components/copy";
import { Plate } from "@/components/page";
import { Problem } from "@/components/problem";
import { saveFile } from "@/components/save-file";
import { Status } from "@/components/status";
import { Ago } from "@/components/time";
import { toast } from "@/components/toast";

interface Kept {
  anchor: string;
  at: string;
}

export function AuditProof({ orgId }: { orgId: string }) {
  const name = `slipway.audit-anchor.${orgId}`;
  const [checked, setChecked] = useState(0);
  const [kept, setKept] = useState<Kept | null>(() => read(name));
  const [held, setHeld] = useState<Kept | null>(null);
  const verify = useMutation({
    mutationFn: () => {
      setChecked(0);
      setHeld(kept);
      return verifyAudit(kept?.anchor ?? null, setChecked);
    },
    onSuccess: (proof) => {
      if (!proof.sound) return;
      const next = { anchor: proof.anchor, at: new Date().toISOString() };
      setKept(next);
      write(name, next);
    },
  });
  const proof = verify.data;
  return (
    <Plate
      title="Integrity"
      actions={
        <Button
          size="sm"
          icon={ShieldCheck}
          busy={verify.isPending}
          onClick={() => verify.mutate()}
        >
          Verify the log
        </Button>
      }
    >
      <div role="status" className="text-sm">
        {verify.isPending ? (
          <p>{checked.toLocaleString("en")} records checked so far…</p>
        ) : proof?.sound ? (
          <>
            <Status tone="live" label="Whole" />
            <p className="mt-1">
              All {proof.checked.toLocaleString("en")} records up to number {proof.last} are as they
              were written: none changed, removed or reordered.
              {held ? (
                <>
                  {" "}
                  It still holds what this browser saw <Ago at={held.at} />.
                </>
              ) : null}
            </p>
          </>
        ) : proof ? (
          <>
            <Status tone="failed" label={`Broken at record ${proof.broken?.sequence ?? "?"}`} />
            <p className="mt-1">{proof.broken?.detail}</p>
            <p className="mt-1 text-ink-2">
              Export the log now, and keep the export and the anchor below apart from Slipway.
            </p>
          </>
        ) : (
          <p className="text-ink-2">
            Each record holds the hash of the one before it. Verifying follows the whole chain and
            names the first record that does not fit
            {kept ? (
              <>
                ; this browser did it <Ago at={kept.at} />, and holds the log to that
              </>
            ) : null}
            .
          </p>
        )}
      </div>
      {verify.error ? (
        <Problem compact error={verify.error} retry={() => verify.mutate()} className="mt-3" />
      ) : null}
      {kept ? (
        <p className="mt-2 flex flex-wrap items-center gap-x-1 text-xs text-ink-3">
          Anchor <code className="min-w-0 break-all">{kept.anchor}</code>
          <CopyButton text={kept.anchor} label="Copy the anchor" />
        </p>
      ) : null}
    </Plate>
  );
}

export function AuditExport() {
  const [records, setRecords] = useState(0);
  const take = useMutation({
    mutationFn: () => {
      setRecords(0);
      return exportAudit(setRecords);
    },
    onSuccess: (blob) => {
      saveFile(`audit-${new Date().toISOString().slice(0, 10)}.jsonl`, blob);
      toast.done("The log is exported", { detail: "As JSON lines, oldest first." });
    },
    onError: (error) => toast.failed(error),
  });
  return (
    <Button size="sm" icon={Download} busy={take.isPending} onClick={() => take.mutate()}>
      {take.isPending && records > 0 ? `${records.toLocaleString("en")} records…` : "Export all"}
    </Button>
  );
}

function read(name: string): Kept | null {
  try {
    const found = JSON.parse(localStorage.getItem(name) ?? "null") as Partial<Kept> | null;
    return typeof found?.anchor === "string" && typeof found.at === "string"
      ? { anchor: found.anchor, at: found.at }
      : null;
  } catch {
    return null;
  }
}

function write(name: string, kept: Kept): void {
  try {
    localStorage.setItem(name, JSON.stringify(kept));
  } catch {
    // Without a memory of its own the browser still shows it, to be copied.
  }
}
