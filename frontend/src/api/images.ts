/** A listing's pictures: drawn anew and made small enough here, then sent. */
import { api } from "./client";

export const ICON_SIDE = 512;
const SHOT_WIDTH = 1600;
const MOST = { icon: 300_000, screenshot: 700_000 };

export type Purpose = keyof typeof MOST;

/** What cannot be made a picture of; the message is for people. */
export class NoPicture extends Error {}

function readPicture(file: Blob): Promise<ImageBitmap> {
  return createImageBitmap(file).catch(() => {
    throw new NoPicture("This file is no picture that can be shown. Choose a PNG, JPEG or WebP.");
  });
}

/**
 * The picture in base64, upright, no larger than it is shown, and without what a camera notes.
 * An icon is cut to its middle square.
 */
export async function prepared(file: Blob, purpose: Purpose): Promise<string> {
  if (file.type === "image/svg+xml") {
    throw new NoPicture("SVG can carry scripts and is not taken. Export it as PNG or WebP.");
  }
  const bitmap = await readPicture(file);
  const side = Math.min(bitmap.width, bitmap.height);
  const icon = purpose === "icon";
  const [sx, sy, sw, sh] = icon
    ? [(bitmap.width - side) / 2, (bitmap.height - side) / 2, side, side]
    : [0, 0, bitmap.width, bitmap.height];
  let scale = Math.min(1, (icon ? ICON_SIDE : SHOT_WIDTH) / sw);
  for (let round = 0; round < 5; round += 1) {
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(1, Math.round(sw * scale));
    canvas.height = Math.max(1, Math.round(sh * scale));
    canvas.getContext("2d")?.drawImage(bitmap, sx, sy, sw, sh, 0, 0, canvas.width, canvas.height);
    const made = await new Promise<Blob | null>((done) =>
      canvas.toBlob(done, "image/webp", 0.88 - round * 0.08),
    );
    if (made && made.size <= MOST[purpose]) return base64(made);
    scale *= 0.8;
  }
  throw new NoPicture("This picture stays too large, however small it is drawn. Choose another.");
}

async function base64(blob: Blob): Promise<string> {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  let text = "";
  for (let at = 0; at < bytes.length; at += 32_768) {
    text += String.fromCharCode(...bytes.subarray(at, at + 32_768));
  }
  return btoa(text);
}

interface To {
  agentId: string;
  revision: number;
}

export async function putIcon({ agentId, revision }: To, file: Blob) {
  return api.put("/agents/{agent_id}/listing/icon", {
    path: { agent_id: agentId },
    body: { data: await prepared(file, "icon") },
    ifMatch: revision,
  });
}

export function deleteIcon({ agentId, revision }: To) {
  return api.delete("/agents/{agent_id}/listing/icon", {
    path: { agent_id: agentId },
    ifMatch: revision,
  });
}

export async function addScreenshot({ agentId, revision }: To, file: Blob, alt: string) {
  return api.post("/agents/{agent_id}/listing/screenshots", {
    path: { agent_id: agentId },
    body: { data: await prepared(file, "screenshot"), alt },
    ifMatch: revision,
  });
}

export function arrangeScreenshots(
  { agentId, revision }: To,
  items: { path: string; alt: string }[],
) {
  return api.put("/agents/{agent_id}/listing/screenshots", {
    path: { agent_id: agentId },
    body: { items },
    ifMatch: revision,
  });
}
