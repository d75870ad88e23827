/** The manifests of two versions set against each other, as people write them. */
import { Diff } from "./diff";
import { toYaml } from "./yaml";

interface Shown {
  id: string;
  number: number;
  manifest: unknown;
}

export function ManifestDiff({ before, after }: { before: Shown; after: Shown }) {
  const old = toYaml(before.manifest ?? {});
  const now = toYaml(after.manifest ?? {});
  if (old === now) {
    return (
      <p className="px-4 pb-4 text-sm text-ink-2">
        {before.id === after.id ? "The same version." : "The manifest says the same."}
      </p>
    );
  }
  return (
    <Diff
      before={old}
      after={now}
      label={`Manifest of version ${after.number} beside that of version ${before.number}`}
      className="pb-3"
    />
  );
}
