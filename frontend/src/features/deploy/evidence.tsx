/** From what something was inferred. */
import type { Version } from "@/api/types";

export function Evidence({
  inferred,
  names,
}: {
  inferred: Version["inferred"];
  names: readonly string[];
}) {
  const found = inferred.find((one) => names.includes(one.field));
  if (!found) return null;
  return (
    <>
      From <span className="text-ink-2">{found.source}</span>
    </>
  );
}
