/** A value of a manifest in one line. */
export function shownValue(value: unknown): string {
  if (value === null || value === undefined || value === "") return "–";
  if (Array.isArray(value)) {
    const named = value.every((item) => typeof item === "object" && item && "name" in item);
    return named
      ? value.map((item) => String((item as { name: unknown }).name)).join(", ")
      : value.map(shownValue).join(", ");
  }
  if (typeof value === "object") {
    return Object.entries(value)
      .map(([name, item]) => `${name}: ${shownValue(item)}`)
      .join(", ");
  }
  return String(value);
}
