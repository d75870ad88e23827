/** Says that an organisation is being deleted, until when it can be brought back, and does so. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { organisationKeys, restoreOrganisation } from "@/api/organisations";
import type { Organisation } from "@/api/types";
import { Button } from "@/components/button";
import { Problem } from "@/components/problem";
import { Exact, Until } from "@/components/time";
import { toast } from "@/components/toast";

export function Closing({
  organisation,
  closesAt,
}: {
  organisation: Organisation;
  closesAt: string;
}) {
  const client = useQueryClient();
  const restore = useMutation({
    mutationFn: () => restoreOrganisation(organisation.id),
    onSuccess: (restored) => {
      client.setQueryData(organisationKeys.one(restored.id), restored);
      void client.invalidateQueries({ queryKey: organisationKeys.all });
      toast.done(`${restored.name} is back`, { detail: "Its agents stay stopped until deployed." });
    },
  });
  return (
    <section
      aria-label="This organisation is being deleted"
      className="mb-6 rounded border border-lantern/50 border-l-4 border-l-lantern bg-lantern-wash p-4"
    >
      <div className="flex flex-wrap items-center justify-between gap-4">
        <div className="min-w-0 flex-1 basis-72">
          <h2 className="text-base">This organisation is being deleted</h2>
          <p className="mt-0.5 text-sm">
            Everything in it has stopped. It is removed for good <Until at={closesAt} />, on{" "}
            <Exact at={closesAt} />.{" "}
            {organisation.role === "owner"
              ? "Until then you can bring it back; agents stay stopped until somebody deploys them, and API tokens have to be made anew."
              : "Until then an owner can bring it back."}
          </p>
        </div>
        {organisation.role === "owner" ? (
          <Button variant="primary" busy={restore.isPending} onClick={() => restore.mutate()}>
            Bring it back
          </Button>
        ) : null}
      </div>
      {restore.error ? <Problem compact error={restore.error} className="mt-3" /> : null}
    </section>
  );
}
