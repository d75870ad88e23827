/**
 * Knows the one source that is on its way from this browser to the platform: gathered, packed,
 * given an agent and a version, uploaded. It lives beside the pages, so that moving between them
 * stops nothing.
 */
import { create } from "zustand";
import { api, newIdempotencyKey } from "@/api/client";
import type { CreatedVersion } from "@/api/types";
import { type Gathered, gather, NotASource } from "./gather";
import { pack } from "./packing";
import { type Sending, sendForm, UploadRefused } from "./send-form";
import type { SourceNode } from "./source-nodes";

export type Step =
  | { at: "idle" }
  | { at: "gathering"; seen: number }
  | { at: "packing"; files: number; total: number; read: number; bytes: number }
  | { at: "creating" }
  | { at: "uploading"; sending: Sending }
  | { at: "sent" }
  | { at: "refused"; why: NotASource }
  | { at: "failed"; error: unknown };

interface Shipment {
  step: Step;
  /** Set as soon as the API knows of it. */
  agentId: string | null;
  versionId: string | null;
  gathered: Gathered | null;
}

const EMPTY: Shipment = { step: { at: "idle" }, agentId: null, versionId: null, gathered: null };
export const useShipment = create<Shipment>(() => EMPTY);

// What cannot be shown, but is needed to go on after a failure.
let stop = new AbortController();
let nodes: SourceNode[] = [];
let cargo: Blob | null = null;
let keys = { agent: newIdempotencyKey(), version: newIdempotencyKey() };
let madeAgent = false;

interface Choice {
  /** The agent that gets a new version; null makes one. */
  agentId: string | null;
  /** Folders at the top that stay here. */
  without?: ReadonlySet<string>;
}

/** Takes what was dropped all the way to the platform. Resolves with the version, or null. */
export async function ship(source: SourceNode[], choice: Choice): Promise<CreatedVersion | null> {
  begin(choice.agentId);
  nodes = source;
  return attempt(async (signal) => {
    set({ at: "gathering", seen: 0 });
    const gathered = await gather(nodes, {
      signal,
      onSeen: (seen) => set({ at: "gathering", seen }),
      ...(choice.without ? { without: choice.without } : {}),
    });
    useShipment.setState({ gathered });
    cargo = gathered.archive ?? (await packed(gathered, signal));
    return send(gathered, cargo, signal);
  });
}

/** Goes on where a failure stopped it: nothing is packed twice. */
export function again(without?: ReadonlySet<string>): Promise<CreatedVersion | null> {
  const { gathered, agentId } = useShipment.getState();
  if (!cargo || !gathered || without) {
    return ship(nodes, { agentId, ...(without ? { without } : {}) });
  }
  stop = new AbortController();
  const blob = cargo;
  return attempt((signal) => send(gathered, blob, signal));
}

/** Sends the same source once more, for the app in it that was chosen. */
export function sendAgain(agentId: string, choice: string): Promise<CreatedVersion | null> {
  const { gathered } = useShipment.getState();
  const blob = cargo;
  if (!blob || !gathered) return Promise.resolve(null);
  stop = new AbortController();
  keys = { agent: newIdempotencyKey(), version: newIdempotencyKey() };
  madeAgent = false;
  useShipment.setState({ agentId, versionId: null });
  return attempt((signal) => send(gathered, blob, signal, choice));
}

/** Whether the source is still here to be sent once more. */
export function hasCargo(): boolean {
  return cargo !== null;
}

/** Stops, and takes back what was made for it. */
export function cancel(): void {
  const { agentId, versionId } = useShipment.getState();
  stop.abort(new DOMException("Cancelled", "AbortError"));
  cargo = null;
  useShipment.setState(EMPTY);
  if (agentId && madeAgent) {
    api.delete("/agents/{agent_id}", { path: { agent_id: agentId } }).catch(() => undefined);
  } else if (agentId && versionId) {
    api
      .post("/agents/{agent_id}/versions/{version_id}/cancel", {
        path: { agent_id: agentId, version_id: versionId },
      })
      .catch(() => undefined);
  }
}

function begin(agentId: string | null): void {
  stop.abort(new DOMException("Replaced", "AbortError"));
  stop = new AbortController();
  keys = { agent: newIdempotencyKey(), version: newIdempotencyKey() };
  cargo = null;
  madeAgent = false;
  useShipment.setState({ ...EMPTY, agentId });
}

function set(step: Step): void {
  useShipment.setState({ step });
}

async function attempt<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T | null> {
  const { signal } = stop;
  try {
    return await work(signal);
  } catch (error) {
    if (signal.aborted) return null;
    set(error instanceof NotASource ? { at: "refused", why: error } : { at: "failed", error });
    return null;
  }
}

async function packed(gathered: Gathered, signal: AbortSignal): Promise<Blob> {
  const { files, bytes } = gathered;
  const show = (done: { files: number; read: number }) =>
    set({ at: "packing", total: files.length, bytes, ...done });
  show({ files: 0, read: 0 });
  return pack(files, signal, show);
}

async function send(
  gathered: Gathered,
  blob: Blob,
  signal: AbortSignal,
  choice?: string,
): Promise<CreatedVersion> {
  set({ at: "creating" });
  const agentId = useShipment.getState().agentId ?? (await newAgent(gathered.name, signal));
  for (let forms = 1; ; forms += 1) {
    const version = await newVersion(agentId, gathered.filename, blob.size, signal, choice);
    useShipment.setState({ versionId: version.id });
    if (!version.upload) throw new Error("The platform gave no form to upload with.");
    try {
      await sendForm(version.upload, blob, gathered.filename, signal, (sending) =>
        set({ at: "uploading", sending }),
      );
    } catch (error) {
      // The form waited too long, asleep with its laptop perhaps: a new one, once.
      if (!(error instanceof UploadRefused && error.expired) || forms > 1) throw error;
      keys.version = newIdempotencyKey();
      continue;
    }
    set({ at: "sent" });
    return version;
  }
}

async function newAgent(name: string, signal: AbortSignal): Promise<string> {
  const agent = await api.post("/agents", { body: { name }, idempotencyKey: keys.agent, signal });
  madeAgent = true;
  useShipment.setState({ agentId: agent.id });
  return agent.id;
}

function newVersion(
  agentId: string,
  filename: string,
  size: number,
  signal: AbortSignal,
  choice: string | undefined,
): Promise<CreatedVersion> {
  return api.post("/agents/{agent_id}/versions", {
    path: { agent_id: agentId },
    body: {
      source: "upload",
      filename,
      size,
      deploy: true,
      hold: true,
      ...(choice ? { choice } : {}),
    },
    idempotencyKey: keys.version,
    signal,
  });
}
