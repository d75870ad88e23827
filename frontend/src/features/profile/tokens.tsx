/** API tokens of the organisation one works in: for programs, with a scope and an end. */
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { KeyRound, Plus } from "lucide-react";
import { useState } from "react";
import { meQuery } from "@/api/account";
import { agentsQuery } from "@/api/agents";
import { useMay } from "@/api/permissions";
import { revokeToken, tokenKeys, tokensQuery } from "@/api/tokens";
import type { CreatedToken, Scope, Token } from "@/api/types";
import { Button } from "@/components/button";
import { ConfirmDialog } from "@/components/dialog";
import { Empty } from "@/components/empty";
import { Plate } from "@/components/page";
import { PagedList } from "@/components/paged-list";
import { SkeletonRows } from "@/components/skeleton";
import { Status, Tag } from "@/components/status";
import { Ago, Until, useNow } from "@/components/time";
import { toast } from "@/components/toast";
import { NewTokenDialog } from "./new-token-dialog";
import { SCOPES } from "./scopes";
import { ShownOnce } from "./shown-once";

export function Tokens() {
  const me = useQuery(meQuery).data;
  const may = useMay();
  const query = useInfiniteQuery(tokensQuery);
  const [making, setMaking] = useState(false);
  const [made, setMade] = useState<CreatedToken>();
  const button = may("token:create") ? (
    <Button size="sm" variant="primary" icon={Plus} onClick={() => setMaking(true)}>
      New token
    </Button>
  ) : null;
  return (
    <div className="space-y-5">
      <Plate
        flush
        title="API tokens"
        note={me ? `of ${me.organisation.name}` : undefined}
        actions={button}
      >
        <PagedList
          query={query}
          loading={<SkeletonRows rows={3} height="h-16" />}
          more="More tokens"
          empty={
            <Empty title="No API tokens">
              A token lets a program act here: deploy from your build, or read how agents are. Give
              each program its own, with no more scope than it needs.
            </Empty>
          }
        >
          {(token) => <Row key={token.id} token={token} own={token.user_id === me?.user.id} />}
        </PagedList>
      </Plate>
      {making ? (
        <NewTokenDialog
          onClose={() => setMaking(false)}
          onMade={(token) => {
            setMaking(false);
            setMade(token);
          }}
        />
      ) : null}
      {made ? <ShownOnce token={made} onClose={() => setMade(undefined)} /> : null}
    </div>
  );
}

function Row({ token, own }: { token: Token; own: boolean }) {
  const client = useQueryClient();
  const [asking, setAsking] = useState(false);
  const agents = useInfiniteQuery({ ...agentsQuery, enabled: token.agent_id !== null });
  const now = useNow();
  const over = token.expires_at !== null && Date.parse(token.expires_at) <= now;
  const revoke = useMutation({
    mutationFn: () => revokeToken(token.id),
    onSuccess: () => toast.done(`${token.name} is revoked`),
    onError: (error) => toast.failed(error),
    onSettled: () => {
      setAsking(false);
      return client.invalidateQueries({ queryKey: tokenKeys.list });
    },
  });
  const agent = agents.data?.pages
    .flatMap(({ items }) => items)
    .find((one) => one.id === token.agent_id);
  return (
    <li className="flex min-h-16 flex-wrap items-center gap-x-4 gap-y-2 px-4 py-2.5">
      <KeyRound size={17} aria-hidden="true" className="hidden shrink-0 text-ink-2 sm:block" />
      <div className="min-w-0 flex-1 basis-full sm:basis-52">
        <p className="flex min-w-0 flex-wrap items-center gap-x-2">
          <span className="min-w-0 truncate font-[560]">{token.name}</span>
          <Tag>{SCOPES[token.scope as Scope].name}</Tag>
          {token.agent_id ? <Tag>{agent?.name ?? "one agent"} only</Tag> : null}
          {own ? null : <Tag>of another member</Tag>}
        </p>
        <p className="truncate text-sm text-ink-3">
          <code>…{token.hint}</code>, made <Ago at={token.created_at} />
        </p>
      </div>
      <div className="text-sm sm:w-44 sm:text-right">
        <p>
          {token.last_used_at ? (
            <>
              used <Ago at={token.last_used_at} />
            </>
          ) : (
            "never used"
          )}
        </p>
        <p className="text-ink-3">
          {token.expires_at === null ? (
            "does not end"
          ) : over ? (
            <Status tone="ended" label="Ended" />
          ) : (
            <>
              ends <Until at={token.expires_at} />
            </>
          )}
        </p>
      </div>
      <Button
        size="sm"
        variant="quiet"
        className="ml-auto"
        aria-label={`Revoke ${token.name}`}
        onClick={() => setAsking(true)}
      >
        Revoke
      </Button>
      <ConfirmDialog
        open={asking}
        onOpenChange={setAsking}
        title={`Revoke ${token.name}?`}
        action="Revoke it"
        busy={revoke.isPending}
        onConfirm={() => revoke.mutate()}
      >
        <p>Whatever uses it is refused from this moment on. It cannot be brought back.</p>
      </ConfirmDialog>
    </li>
  );
}
