/** Keeps what is typed into a form over a reload, in this tab. Nothing secret belongs in it. */
import { useState } from "react";

export function useDraft<T>(key: string, initial: T): [T, (next: T) => void] {
  const [value, setValue] = useState<T>(() => stored<T>(key) ?? initial);
  return [
    value,
    (next) => {
      setValue(next);
      try {
        sessionStorage.setItem(`slipway.draft ${key}`, JSON.stringify(next));
      } catch {
        // Full or forbidden: the form still holds it.
      }
    },
  ];
}

function stored<T>(key: string): T | undefined {
  try {
    const text = sessionStorage.getItem(`slipway.draft ${key}`);
    return text === null ? undefined : (JSON.parse(text) as T);
  } catch {
    return undefined;
  }
}
