/**
 * Knows what `first.js` has asked the API while this app was still under way: what the page of
 * `infra/pages.json` begins with, read with the session that was traded there.
 */

declare global {
  var slipwayReads:
    | {
        /** Milliseconds of the page's own clock. */
        at: number;
        /** The organisation they were asked for, as `organisation.ts` keeps it. */
        organisation: string | null;
        answers: Map<string, Promise<Response>>;
      }
    | undefined;
}

/** Milliseconds for which an answer is as good as a fresh one. */
const FRESH = 10_000;

/**
 * The answer from an address, once; null when there is none, or it came to nothing. Throws when it
 * is not wanted any more.
 */
export async function early(
  url: string,
  organisation: string | null,
  signal: AbortSignal | undefined,
): Promise<Response | null> {
  const reads = globalThis.slipwayReads;
  const answer = reads?.answers.get(url);
  if (!reads || !answer) return null;
  reads.answers.delete(url);
  if (reads.organisation !== organisation || performance.now() - reads.at > FRESH) return null;
  signal?.throwIfAborted();
  const given = new Promise<null>((resolve) =>
    signal?.addEventListener("abort", () => resolve(null), { once: true }),
  );
  const response = await Promise.race([answer.catch(() => null), given]);
  signal?.throwIfAborted();
  return response;
}

/** Forgets them, as when another person signs in. */
export function dropEarly(): void {
  globalThis.slipwayReads = undefined;
}
