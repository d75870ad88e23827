/** A repository as a source: named here, or by the address of a "Deploy on Slipway" button. */
import { useMutation } from "@tanstack/react-query";
import { GitBranch } from "lucide-react";
import { useRef, useState } from "react";
import { useSearchParams } from "react-router";
import { api, newIdempotencyKey } from "@/api/client";
import { asProblem } from "@/api/problem";
import { isRepositoryName, repositoryName } from "@/api/repository-name";
import { Button } from "@/components/button";
import { TextField } from "@/components/field";
import { Problem } from "@/components/problem";

export function FromGithub({
  agentId,
  first,
  onMade,
}: {
  agentId: string | null;
  /** Whether it stands above the other ways: somebody came with a repository. */
  first: boolean;
  onMade: (version: { agent_id: string; id: string }) => void;
}) {
  const [search] = useSearchParams();
  const [repository, setRepository] = useState(search.get("repository") ?? "");
  const [ref, setRef] = useState(search.get("branch") ?? "");
  const [root, setRoot] = useState(search.get("root") ?? "");
  const [missing, setMissing] = useState(false);
  // One key for one intention: a second press with the same words makes nothing twice.
  const intention = useRef({ words: "", key: "", agent: "" });
  const name = repositoryName(repository);
  const make = useMutation({
    mutationFn: async () => {
      const words = JSON.stringify([name, ref, root]);
      if (intention.current.words !== words) {
        const { agent } = intention.current;
        intention.current = { words, key: newIdempotencyKey(), agent };
      }
      const { key } = intention.current;
      const id =
        agentId ??
        (intention.current.agent ||
          (
            await api.post("/agents", {
              body: { name: name.split("/")[1] ?? name },
              idempotencyKey: `${key}-agent`,
            })
          ).id);
      if (!agentId) intention.current.agent = id;
      return api.post("/agents/{agent_id}/versions", {
        path: { agent_id: id },
        body: {
          source: "github",
          repository: name,
          ref: ref.trim() || null,
          root: root.trim() || null,
          deploy: true,
          hold: true,
        },
        idempotencyKey: `${key}-version`,
      });
    },
    onSuccess: onMade,
  });
  const problem = make.error ? asProblem(make.error) : undefined;
  const beside = problem?.beside("repository", "ref", "root");
  return (
    <section aria-labelledby="from-github" className={first ? "mb-10" : "mt-10"}>
      <h2 id="from-github" className="text-lg">
        {first ? "Take this repository from GitHub" : "Or take a repository from GitHub"}
      </h2>
      <p className="text-sm text-ink-2">
        A public one. To have each push deployed, connect it afterwards on the agent's Repository
        page.
      </p>
      <form
        className="plate mt-4 p-4"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          setMissing(!isRepositoryName(name));
          if (isRepositoryName(name)) make.mutate();
        }}
      >
        <div className="grid items-start gap-3 sm:grid-cols-2 lg:grid-cols-[minmax(0,2fr)_minmax(0,1fr)_minmax(0,1fr)_auto]">
          <TextField
            label="Repository"
            placeholder="owner/name"
            spellCheck={false}
            autoComplete="off"
            maxLength={255}
            value={repository}
            error={
              problem?.field("repository") ??
              (missing && !isRepositoryName(name)
                ? "Name it as owner/name, or paste its address."
                : undefined)
            }
            onChange={(event) => setRepository(event.target.value)}
          />
          <TextField
            label="Branch, tag or commit"
            optional
            spellCheck={false}
            autoComplete="off"
            maxLength={255}
            value={ref}
            error={problem?.field("ref")}
            onChange={(event) => setRef(event.target.value)}
          />
          <TextField
            label="Folder"
            optional
            spellCheck={false}
            autoComplete="off"
            maxLength={255}
            value={root}
            error={problem?.field("root")}
            onChange={(event) => setRoot(event.target.value)}
          />
          <Button type="submit" icon={GitBranch} className="lg:mt-[1.6rem]" busy={make.isPending}>
            Fetch it
          </Button>
        </div>
        {beside ? <Problem compact error={beside} className="mt-4" /> : null}
      </form>
    </section>
  );
}
