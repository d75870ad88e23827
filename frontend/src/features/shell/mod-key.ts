/** The key that goes with letters on this person's keyboard. */
const browser = typeof navigator === "undefined" ? "" : navigator.userAgent;
export const modKey = /Mac|iPhone|iPad/.test(browser) ? "⌘" : "Ctrl";
