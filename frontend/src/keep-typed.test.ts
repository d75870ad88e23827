import { afterEach, expect, test } from "vitest";
import { keepTyped } from "./keep-typed";

function page(markup: string): HTMLElement {
  document.body.innerHTML = `<div id="root" data-outline="open">${markup}</div>`;
  return document.getElementById("root") as HTMLElement;
}

afterEach(() => {
  document.body.innerHTML = "";
});

test("what was typed into the outline stands in the app's field, and React hears of it", () => {
  const root = page(
    '<label for="a">Email</label><input id="a"><label for="b">Name</label><input id="b">',
  );
  const putBack = keepTyped(root);
  const before = root.querySelector<HTMLInputElement>("#a") as HTMLInputElement;
  before.focus();
  before.value = "ada@example.org";
  root.innerHTML =
    '<label for="x">Email</label><input id="x"><label for="y">Name</label><input id="y" value="kept">';
  const heard: string[] = [];
  root.addEventListener("input", (event) => heard.push((event.target as HTMLInputElement).value));
  putBack();
  const [email, name] = [...root.querySelectorAll("input")];
  expect(email?.value).toBe("ada@example.org");
  expect(heard).toEqual(["ada@example.org"]);
  expect(document.activeElement).toBe(email);
  expect(name?.value).toBe("kept");
  expect(root.dataset.outline).toBeUndefined();
});

test("a button that was pressed too early is pressed when the app is there", async () => {
  const root = page("<button>Cancel</button><button>Send</button>");
  const putBack = keepTyped(root);
  for (const button of root.querySelectorAll("button")) {
    if (button.textContent === "Send") button.dataset.pressed = "";
  }
  root.innerHTML = "<button>Cancel</button><button>Send</button>";
  const pressed = new Promise((resolve) => {
    root.addEventListener("click", (event) => resolve((event.target as Element).textContent));
  });
  putBack();
  expect(await pressed).toBe("Send");
});

test("what is held down while the app comes is pressed when it is let go there", () => {
  const markup = '<button>Cancel</button><button>Send</button><a href="/deploy">Deploy</a>';
  const release = (at: Element | null | undefined, type = "pointerup") =>
    at?.dispatchEvent(new PointerEvent(type, { bubbles: true, pointerType: "mouse" }));
  for (const [held, letGo, type, expected] of [
    ["Send", "Send", "pointerup", ["Send"]],
    ["Deploy", "Deploy", "pointerup", ["Deploy"]],
    ["Send", "Cancel", "pointerup", []],
    ["Send", "Send", "pointercancel", []],
  ] as const) {
    const root = page(markup);
    const named = (name: string) =>
      [...root.querySelectorAll<HTMLElement>("button, a")].find((one) => one.textContent === name);
    const putBack = keepTyped(root);
    (named(held) as HTMLElement).dataset.held = "";
    root.innerHTML = markup;
    const pressed: (string | null)[] = [];
    root.addEventListener("click", (event) => {
      event.preventDefault();
      pressed.push((event.target as Element).textContent);
    });
    putBack();
    release(named(letGo), type);
    release(named(letGo));
    expect(pressed).toEqual(expected);
  }
});

test("a menu that was opened too early is opened when the app is there", async () => {
  const menu = '<button aria-haspopup="menu" data-pressed="">Pages</button>';
  const root = page(menu);
  const putBack = keepTyped(root);
  root.innerHTML = menu.replace(' data-pressed=""', "");
  const opened = new Promise((resolve) => {
    root.addEventListener("pointerdown", ({ button }) => resolve(button));
  });
  putBack();
  expect(await opened).toBe(0);
});

test("the focus stays on the same link, and a second call changes nothing", () => {
  const root = page('<a href="/marketplace">Marketplace</a>');
  const putBack = keepTyped(root);
  root.querySelector("a")?.focus();
  root.innerHTML = '<a href="/">Slipway</a><a href="/marketplace">Marketplace</a>';
  putBack();
  expect(document.activeElement?.textContent).toBe("Marketplace");
  root.querySelectorAll("a")[0]?.focus();
  putBack();
  expect(document.activeElement?.textContent).toBe("Slipway");
});
