/** Sentences of the API, in which `backticks` mean code. */

export function Prose({ text }: { text: string }) {
  return text.split(/(`[^`]+`)/).map((piece, index) =>
    index % 2 === 1 ? (
      // biome-ignore lint/suspicious/noArrayIndexKey: pieces of one sentence never move
      <code key={index} className="rounded-sm bg-sunk px-1 break-words">
        {piece.slice(1, -1)}
      </code>
    ) : (
      piece
    ),
  );
}
