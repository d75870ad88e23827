/** Keeps what somebody has begun in a page's outline when the app takes its place. */

type Field = HTMLInputElement | HTMLTextAreaElement;

/** Watches the outline; what it returns puts text and focus into the same fields of the app, and
 * presses the button that was pressed. */
export function keepTyped(root: HTMLElement): () => void {
  const fields = [...root.querySelectorAll<Field>("input, textarea")].map((field) => ({
    field,
    label: nameOf(field),
  }));
  const links = [...root.querySelectorAll("a")];
  const buttons = [...root.querySelectorAll("button")];
  let focused: EventTarget | null = null;
  const watch = (event: FocusEvent) => {
    focused = event.target;
  };
  root.addEventListener("focusin", watch);
  let done = false;
  return () => {
    if (done) return;
    done = true;
    root.removeEventListener("focusin", watch);
    delete root.dataset.outline;
    for (const { field, label } of fields) {
      const twin = [...root.querySelectorAll<Field>("input, textarea")].find(
        (one) => nameOf(one) === label,
      );
      if (!twin) continue;
      if (field.value !== field.defaultValue) type(twin, field.value);
      if (focused === field) twin.focus({ preventScroll: true });
    }
    const link = links.find((one) => one === focused);
    if (link) linkLike(link, root)?.focus({ preventScroll: true });
    const held = [...buttons, ...links].find((one) => one.dataset.held !== undefined);
    if (held) pressWhenReleased(held, root);
    const pressed = buttons.findLast((one) => one.dataset.pressed !== undefined);
    // A moment later: the app has to hear of the text first.
    if (pressed) setTimeout(() => press(twinOf(pressed, root)));
  };
}

/** A mouse's button went down on what is gone now: no browser makes a click of its coming up. */
function pressWhenReleased(held: HTMLElement, root: HTMLElement): void {
  const release = ({ type, pointerType, target }: PointerEvent) => {
    removeEventListener("pointerup", release, true);
    removeEventListener("pointercancel", release, true);
    const twin = held instanceof HTMLAnchorElement ? linkLike(held, root) : twinOf(held, root);
    if (type === "pointerup" && pointerType === "mouse" && twin?.contains(target as Node)) {
      press(twin);
    }
  };
  addEventListener("pointerup", release, true);
  addEventListener("pointercancel", release, true);
}

function linkLike(link: HTMLAnchorElement, root: HTMLElement): HTMLAnchorElement | undefined {
  return [...root.querySelectorAll("a")].find(
    (one) => one.href === link.href && one.textContent === link.textContent,
  );
}

function press(button: HTMLElement | undefined): void {
  // Menus open when a button goes down, everything else is done when it comes up.
  if (button?.getAttribute("aria-haspopup") === "menu") {
    button.dispatchEvent(new PointerEvent("pointerdown", { bubbles: true, button: 0 }));
  } else button?.click();
}

function twinOf(button: HTMLElement, root: HTMLElement): HTMLButtonElement | undefined {
  const name = (one: HTMLElement) => one.ariaLabel ?? one.textContent;
  return [...root.querySelectorAll("button")].find((one) => name(one) === name(button));
}

function nameOf(field: Field): string {
  return field.labels?.[0]?.textContent ?? field.getAttribute("aria-label") ?? field.name;
}

/** As if it were typed: React hears of it. */
function type(field: Field, text: string): void {
  const set = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(field), "value")?.set;
  set?.call(field, text);
  field.dispatchEvent(new Event("input", { bubbles: true }));
}
