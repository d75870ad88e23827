/** The commit that something was made of: its first line, branch, author and short name. */
import { GitCommitHorizontal } from "lucide-react";

interface Shown {
  sha: string;
  message: string;
  author: string;
  branch: string;
  repository: string;
  pull_request: number | null;
}

export function CommitLine({ commit }: { commit: Shown }) {
  return (
    <span className="inline-flex max-w-full min-w-0 items-center gap-1.5">
      <GitCommitHorizontal size={14} aria-hidden="true" className="shrink-0 text-ink-3" />
      <code className="shrink-0">{commit.sha.slice(0, 7)}</code>
      <bdi className="truncate" title={commit.message}>
        {commit.message}
      </bdi>
      <span className="shrink-0 text-ink-3">
        {commit.pull_request ? `#${commit.pull_request}` : commit.branch},{" "}
        <bdi>{commit.author}</bdi>
      </span>
    </span>
  );
}

/** The same, with a link to it. */
export function CommitFact({ commit }: { commit: Shown }) {
  return (
    <a
      href={`https://github.com/${commit.repository}/commit/${commit.sha}`}
      target="_blank"
      rel="noopener"
      className="block break-words text-sea underline-offset-2 hover:underline"
    >
      <code>{commit.sha.slice(0, 7)}</code> <bdi>{commit.message}</bdi>
    </a>
  );
}
