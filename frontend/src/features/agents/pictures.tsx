/** An agent's icon and screenshots: choosing, describing, ordering and removing them. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { ArrowLeft, ArrowRight, ImagePlus, Trash2 } from "lucide-react";
import { useRef, useState } from "react";
import { addScreenshot, arrangeScreenshots, deleteIcon, NoPicture, putIcon } from "@/api/images";
import { listingKeys } from "@/api/listing";
import { offerKeys } from "@/api/marketplace";
import type { Listing, Screenshot } from "@/api/types";
import { Button, IconButton } from "@/components/button";
import { TextField } from "@/components/field";
import { Plate } from "@/components/page";
import { Problem } from "@/components/problem";
import { toast } from "@/components/toast";

const MOST = 6;
const TAKEN = "image/png,image/jpeg,image/webp";

export function Pictures({ draft }: { draft: Listing }) {
  const client = useQueryClient();
  const to = { agentId: draft.agent_id, revision: draft.revision };
  const done = (saved: Listing, said: string) => {
    client.setQueryData(listingKeys.one(draft.agent_id), saved);
    void client.invalidateQueries({ queryKey: offerKeys.all });
    toast.done(said);
  };
  const icon = useMutation({
    mutationFn: (file: File | null) => (file ? putIcon(to, file) : deleteIcon(to)),
    onSuccess: (saved) => done(saved, saved.picture ? "Icon changed" : "Icon removed"),
  });
  const add = useMutation({
    mutationFn: (file: File) => addScreenshot(to, file, ""),
    onSuccess: (saved) => done(saved, "Screenshot added"),
  });
  const arrange = useMutation({
    mutationFn: (shots: Screenshot[]) =>
      arrangeScreenshots(
        to,
        shots.map(({ path, alt }) => ({ path, alt })),
      ),
    onSuccess: (saved) => done(saved, "Screenshots changed"),
  });
  const shots = draft.screenshots;
  const busy = add.isPending || arrange.isPending;
  const error = icon.error ?? add.error ?? arrange.error;
  return (
    <Plate title="Pictures" note="PNG, JPEG or WebP">
      <div className="space-y-5">
        <div className="flex flex-wrap items-center gap-4">
          {draft.picture ? (
            <img
              src={`/${draft.picture}`}
              alt="The icon"
              width={64}
              height={64}
              className="size-16 rounded border border-line object-cover"
            />
          ) : (
            <span
              aria-hidden="true"
              className="flex size-16 items-center justify-center rounded border border-dashed border-line-2 text-2xl"
            >
              {draft.icon}
            </span>
          )}
          <Choose
            label={draft.picture ? "Change the icon" : "Choose an icon"}
            busy={icon.isPending}
            onChoose={(file) => icon.mutate(file)}
          />
          {draft.picture ? (
            <Button size="sm" variant="quiet" onClick={() => icon.mutate(null)}>
              Show the emoji instead
            </Button>
          ) : null}
        </div>
        {shots.length > 0 ? (
          <ul aria-label="Screenshots" className="space-y-3">
            {shots.map((shot, index) => (
              <Row
                key={shot.path}
                shot={shot}
                number={index + 1}
                last={index === shots.length - 1}
                busy={busy}
                onMove={(by) => arrange.mutate(moved(shots, index, by))}
                onSay={(alt) =>
                  arrange.mutate(shots.map((one) => (one === shot ? { ...one, alt } : one)))
                }
                onRemove={() => arrange.mutate(shots.filter((one) => one !== shot))}
              />
            ))}
          </ul>
        ) : null}
        {shots.length < MOST ? (
          <Choose
            label="Add a screenshot"
            busy={add.isPending}
            onChoose={(file) => add.mutate(file)}
          />
        ) : (
          <p className="text-sm text-ink-3">There are {MOST}, which is the most.</p>
        )}
        {error instanceof NoPicture ? (
          <p role="alert" className="text-sm text-port">
            {error.message}
          </p>
        ) : error ? (
          <Problem compact error={error} />
        ) : null}
      </div>
    </Plate>
  );
}

function moved(shots: Screenshot[], index: number, by: number): Screenshot[] {
  const after = [...shots];
  const [one] = after.splice(index, 1);
  if (one) after.splice(index + by, 0, one);
  return after;
}

function Choose({
  label,
  busy,
  onChoose,
}: {
  label: string;
  busy: boolean;
  onChoose: (file: File) => void;
}) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <input
        ref={input}
        type="file"
        accept={TAKEN}
        aria-label={label}
        className="sr-only"
        tabIndex={-1}
        onChange={(event) => {
          const [file] = event.target.files ?? [];
          event.target.value = "";
          if (file) onChoose(file);
        }}
      />
      <Button size="sm" icon={ImagePlus} busy={busy} onClick={() => input.current?.click()}>
        {label}
      </Button>
    </>
  );
}

function Row({
  shot,
  number,
  last,
  busy,
  onMove,
  onSay,
  onRemove,
}: {
  shot: Screenshot;
  number: number;
  last: boolean;
  busy: boolean;
  onMove: (by: number) => void;
  onSay: (alt: string) => void;
  onRemove: () => void;
}) {
  const [alt, setAlt] = useState(shot.alt);
  return (
    <li className="flex flex-wrap items-center gap-3">
      <img
        src={`/${shot.path}`}
        alt={shot.alt || `Screenshot ${number}`}
        width={128}
        height={80}
        loading="lazy"
        className="h-20 w-32 rounded border border-line object-cover"
      />
      <div className="min-w-0 flex-1 basis-48">
        <TextField
          label={`What screenshot ${number} shows`}
          hideLabel
          placeholder="What it shows, for who does not see it"
          maxLength={160}
          value={alt}
          onChange={(event) => setAlt(event.target.value)}
          onBlur={() => {
            if (alt !== shot.alt) onSay(alt);
          }}
        />
      </div>
      <div className="flex">
        <IconButton
          icon={ArrowLeft}
          label={`Move screenshot ${number} forward`}
          size="sm"
          disabled={number === 1 || busy}
          onClick={() => onMove(-1)}
        />
        <IconButton
          icon={ArrowRight}
          label={`Move screenshot ${number} back`}
          size="sm"
          disabled={last || busy}
          onClick={() => onMove(1)}
        />
        <IconButton
          icon={Trash2}
          label={`Remove screenshot ${number}`}
          size="sm"
          disabled={busy}
          onClick={onRemove}
        />
      </div>
    </li>
  );
}
