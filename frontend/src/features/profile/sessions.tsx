/** Where one is signed in, and ending that. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Monitor, Smartphone } from "lucide-react";
import { useState } from "react";
import { useNavigate } from "react-router";
import { accountKeys, endOtherSessions, endSession, sessionsQuery } from "@/api/account";
import { forgetAnswers } from "@/api/client";
import { useOrganisation } from "@/api/organisation";
import { signOut } from "@/api/session";
import type { OwnSession } from "@/api/types";
import { Button } from "@/components/button";
import { ConfirmDialog } from "@/components/dialog";
import { Plate } from "@/components/page";
import { QueryView } from "@/components/query-view";
import { SkeletonRows } from "@/components/skeleton";
import { Tag } from "@/components/status";
import { Ago } from "@/components/time";
import { toast } from "@/components/toast";
import { browserOf, isPhone } from "./browser";

export function Sessions() {
  const query = useQuery(sessionsQuery);
  const client = useQueryClient();
  const [asking, setAsking] = useState(false);
  const others = query.data?.items.filter((one) => !one.current).length ?? 0;
  const endOthers = useMutation({
    mutationFn: endOtherSessions,
    onSuccess: ({ ended }) =>
      toast.done(ended === 1 ? "One other session is ended" : `${ended} other sessions are ended`),
    onError: (error) => toast.failed(error),
    onSettled: () => {
      setAsking(false);
      return client.invalidateQueries({ queryKey: accountKeys.sessions });
    },
  });
  return (
    <Plate
      flush
      title="Where you are signed in"
      className="max-w-3xl"
      actions={
        others > 0 ? (
          <Button size="sm" onClick={() => setAsking(true)}>
            End all others
          </Button>
        ) : null
      }
    >
      <QueryView query={query} loading={<SkeletonRows rows={3} height="h-18" />}>
        {(data) => (
          <ul className="divide-y divide-line">
            {data.items.map((one) => (
              <Row key={one.id} session={one} />
            ))}
          </ul>
        )}
      </QueryView>
      <ConfirmDialog
        open={asking}
        onOpenChange={setAsking}
        title={others === 1 ? "End the other session?" : `End ${others} other sessions?`}
        action="End them"
        busy={endOthers.isPending}
        onConfirm={() => endOthers.mutate()}
      >
        <p>Every other browser has to sign in again. This one stays. API tokens go on working.</p>
      </ConfirmDialog>
    </Plate>
  );
}

function Row({ session }: { session: OwnSession }) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const { choose } = useOrganisation();
  const end = useMutation({
    mutationFn: async () => {
      if (session.current) await signOut();
      else await endSession(session.id);
    },
    onSuccess: () => {
      if (session.current) {
        choose(null);
        forgetAnswers();
        client.clear();
        navigate("/");
        return;
      }
      toast.done(`The session of ${browserOf(session.user_agent)} is ended`);
      void client.invalidateQueries({ queryKey: accountKeys.sessions });
    },
    onError: (error) => {
      toast.failed(error);
      void client.invalidateQueries({ queryKey: accountKeys.sessions });
    },
  });
  const Icon = isPhone(session.user_agent) ? Smartphone : Monitor;
  const name = browserOf(session.user_agent);
  return (
    <li className="flex min-h-18 items-center gap-3 px-4 py-2.5">
      <Icon size={18} aria-hidden="true" className="shrink-0 text-ink-2" />
      <div className="min-w-0 flex-1">
        <p className="flex flex-wrap items-center gap-x-2">
          <span className="font-[560]" title={session.user_agent}>
            {name}
          </span>
          {session.current ? <Tag>this browser</Tag> : null}
        </p>
        <p className="text-sm text-ink-3">
          {session.current ? "now" : <Ago at={session.last_used_at} />} from{" "}
          <code>{session.address || "an unknown address"}</code>; signed in{" "}
          <Ago at={session.created_at} /> by {session.method}
        </p>
      </div>
      <Button
        size="sm"
        variant="quiet"
        busy={end.isPending}
        aria-label={session.current ? "Sign out here" : `End the session of ${name}`}
        onClick={() => end.mutate()}
      >
        {session.current ? "Sign out" : "End"}
      </Button>
    </li>
  );
}
