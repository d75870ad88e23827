/** Sends an archive with the form that the API gave out, and tries again while that may help. */

export interface Form {
  url: string;
  fields: Record<string, string>;
}
export interface Sending {
  sent: number;
  total: number;
  /** Bytes a second, over the last seconds. */
  rate: number;
  attempt: number;
  waiting: "no" | "offline" | "again";
}

export class UploadRefused extends Error {
  constructor(
    readonly status: number,
    /** The object store's own code, such as EntityTooLarge. */
    readonly code: string,
  ) {
    super(`The upload was refused (${code || status}).`);
  }
  /** The form is too old: another one is needed. */
  get expired(): boolean {
    return this.status === 403 || this.code === "ExpiredToken";
  }
}

const PAUSES = [1000, 2000, 4000, 8000, 15_000, 30_000];

/** Resolves when the archive is there. Each attempt begins anew: such forms know no half. */
export async function sendForm(
  form: Form,
  blob: Blob,
  filename: string,
  signal: AbortSignal,
  onSending: (sending: Sending) => void,
): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    const report = (part: Partial<Sending>) =>
      onSending({ sent: 0, total: blob.size, rate: 0, attempt, waiting: "no", ...part });
    report({});
    try {
      await once(form, blob, filename, signal, (sent, rate) => report({ sent, rate }));
      return;
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (error instanceof UploadRefused && error.status < 500) throw error;
      const pause = PAUSES[attempt - 1];
      if (navigator.onLine === false) {
        report({ waiting: "offline" });
        await online(signal);
      } else if (pause === undefined) {
        throw error;
      } else {
        report({ waiting: "again" });
        await rest(pause, signal);
      }
    }
  }
}

function once(
  form: Form,
  blob: Blob,
  filename: string,
  signal: AbortSignal,
  onSent: (sent: number, rate: number) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const body = new FormData();
    for (const [name, value] of Object.entries(form.fields)) body.append(name, value);
    body.append("file", blob, filename);
    const request = new XMLHttpRequest();
    const stop = () => request.abort();
    const marks: [number, number][] = [];
    // A line that stays silent for this long is dead, whatever the browser believes.
    let watch = setTimeout(stop, 60_000);
    request.upload.onprogress = ({ loaded }) => {
      clearTimeout(watch);
      watch = setTimeout(stop, 60_000);
      marks.push([performance.now(), loaded]);
      while (marks.length > 2 && (marks.at(-1)?.[0] ?? 0) - (marks[0]?.[0] ?? 0) > 4000) {
        marks.shift();
      }
      const [[t0, b0] = [0, 0], [t1, b1] = [0, 0]] = [marks[0], marks.at(-1)];
      onSent(Math.min(loaded, blob.size), t1 > t0 ? ((b1 - b0) / (t1 - t0)) * 1000 : 0);
    };
    const end = (settle: () => void) => {
      clearTimeout(watch);
      signal.removeEventListener("abort", stop);
      settle();
    };
    request.onload = () =>
      end(() => {
        if (request.status >= 200 && request.status < 300) return resolve();
        const code = /<Code>([^<]+)<\/Code>/.exec(request.responseText)?.[1] ?? "";
        reject(new UploadRefused(request.status, code));
      });
    request.onerror = () => end(() => reject(new Error("The connection broke.")));
    request.onabort = () => end(() => reject(new Error("The upload was stopped.")));
    signal.addEventListener("abort", stop);
    // As it is edited, the app has an origin that the bucket does not know; its server passes on.
    request.open("POST", import.meta.env.DEV ? new URL(form.url).pathname : form.url);
    request.send(body);
  });
}

function rest(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        reject(signal.reason);
      },
      { once: true },
    );
  });
}

function online(signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    window.addEventListener("online", () => resolve(), { once: true, signal });
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
