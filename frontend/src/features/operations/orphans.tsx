/** Services at the host that no agent claims: looked for, and removed by hand only. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Search } from "lucide-react";
import { useState } from "react";
import { operationsKeys, operationsQuery, removeOrphan, searchOrphans } from "@/api/operations";
import type { Orphan } from "@/api/types";
import { Button } from "@/components/button";
import { ConfirmDialog } from "@/components/dialog";
import { Empty } from "@/components/empty";
import { Plate } from "@/components/page";
import { Problem } from "@/components/problem";
import { Ago } from "@/components/time";
import { toast } from "@/components/toast";

export function Orphans({ items }: { items: Orphan[] }) {
  const client = useQueryClient();
  const [asking, setAsking] = useState<Orphan>();
  const search = useMutation({
    mutationFn: searchOrphans,
    onSuccess: async ({ items: found }) => {
      await client.cancelQueries({ queryKey: operationsKeys.overview, exact: true });
      client.setQueryData(operationsQuery.queryKey, (seen) => seen && { ...seen, orphans: found });
      toast.note(found.length === 0 ? "The host has no orphan" : `Orphans: ${found.length}`);
    },
  });
  return (
    <Plate
      flush
      title="Orphans"
      note="services at the host that no agent claims"
      actions={
        <Button size="sm" icon={Search} busy={search.isPending} onClick={() => search.mutate()}>
          Search now
        </Button>
      }
    >
      {search.error ? <Problem compact error={search.error} className="m-4" /> : null}
      {items.length === 0 ? (
        <Empty quiet title="No orphans">
          The reconciler looks for them every hour.
        </Empty>
      ) : (
        <ul className="divide-y divide-line">
          {items.map((one) => (
            <Row key={one.service_id} orphan={one} onRemove={() => setAsking(one)} />
          ))}
        </ul>
      )}
      {asking ? (
        <Removal key={asking.service_id} orphan={asking} onClose={() => setAsking(undefined)} />
      ) : null}
    </Plate>
  );
}

function Row({ orphan, onRemove }: { orphan: Orphan; onRemove: () => void }) {
  return (
    <li className="flex flex-wrap items-start gap-x-4 gap-y-2 px-4 py-3 text-sm">
      <div className="min-w-0 flex-1 basis-64">
        <p className="font-[560] break-words">{orphan.name || "Without a name"}</p>
        <p className="break-words">{orphan.detail}</p>
        <p className="text-xs text-ink-3">
          <code className="break-all">{orphan.service_id}</code>, found <Ago at={orphan.found_at} />
          , seen <Ago at={orphan.seen_at} />
        </p>
      </div>
      {/* A service of an agent's is put right by its owner; the API refuses to remove it. */}
      {orphan.deployment_id ? null : (
        <Button
          size="sm"
          className="ml-auto"
          aria-label={`Remove ${orphan.name || orphan.service_id}`}
          onClick={onRemove}
        >
          Remove
        </Button>
      )}
    </li>
  );
}

function Removal({ orphan, onClose }: { orphan: Orphan; onClose: () => void }) {
  const client = useQueryClient();
  const name = orphan.name.trim() || orphan.service_id;
  const remove = useMutation({
    mutationFn: () => removeOrphan(orphan.service_id),
    onSuccess: () => {
      toast.done(`${name} is removed`);
      onClose();
    },
    onSettled: () => client.invalidateQueries({ queryKey: operationsKeys.overview, exact: true }),
  });
  return (
    <ConfirmDialog
      open
      onOpenChange={(open) => (open ? undefined : onClose())}
      title={`Remove ${name}?`}
      action="Remove it"
      phrase={name}
      busy={remove.isPending}
      onConfirm={() => remove.mutate()}
    >
      <p>
        The host deletes service <code className="break-all">{orphan.service_id}</code> with all it
        runs. It cannot be brought back. That you did it is recorded in the audit log of your own
        organisation.
      </p>
      {remove.error ? <Problem compact error={remove.error} /> : null}
    </ConfirmDialog>
  );
}
