// Runs before anything is drawn: the theme that was chosen here, and whether somebody was signed in
// when last here, so that the outline in the page's own HTML shows nothing that is not so. Then
// fetches the app, once the outline is there to be read: on a thin line they would hold each other up.
// Whoever was signed in has their session traded and their page's first answers read meanwhile;
// `session.ts` and `early.ts` take them over.
(() => {
  const known = document.documentElement.dataset;
  try {
    const theme = localStorage.getItem("slipway.theme");
    if (theme === "light" || theme === "dark") known.theme = theme;
    if (localStorage.getItem("slipway.session") === "1") known.known = "";
  } catch {
    // Private windows may have no storage: they get what everybody gets.
  }
  // Whoever is quicker than the app has pressed the button all the same: `keep-typed.ts` does it.
  const keep = (event) => {
    const { target } = event;
    if (!(target instanceof Element) || !target.closest("[data-outline]")) return;
    const button = target.closest("button");
    if (event.type === "click" && !button) return;
    event.preventDefault();
    if (button) button.dataset.pressed = "";
  };
  // Or is still holding it down when the app takes the outline's place.
  const hold = ({ type, target }) => {
    for (const held of document.querySelectorAll("[data-held]")) delete held.dataset.held;
    const held = target instanceof Element ? target.closest("[data-outline] :is(button, a)") : null;
    if (held && type === "pointerdown") held.dataset.held = "";
  };
  for (const type of ["pointerdown", "pointerup", "pointercancel"])
    addEventListener(type, hold, true);
  addEventListener("click", keep, true);
  addEventListener("submit", keep, true);
  const trade = () =>
    fetch("/api/v1/auth/refresh", {
      method: "POST",
      headers: { "X-Slipway-CSRF": "1", "Content-Type": "application/json" },
      body: "{}",
      signal: AbortSignal.timeout(20_000),
    });
  const chosen = () => {
    try {
      return JSON.parse(localStorage.getItem("slipway.organisation")).state.id;
    } catch {
      return null;
    }
  };
  const read = (reads) => {
    const organisation = chosen();
    const session = globalThis.slipwayTrade.then((answer) => answer.clone().json());
    const ask = async (url) => {
      const { access_token: token } = await session;
      if (!token) throw new Error("The session is over.");
      const headers = { Accept: "application/json", Authorization: `Bearer ${token}` };
      if (organisation) headers["Slipway-Organisation"] = organisation;
      return fetch(url, { headers, cache: "no-store", signal: AbortSignal.timeout(20_000) });
    };
    const parts = location.pathname.split("/");
    const answers = new Map();
    for (const pattern of reads) {
      const url = `/api/v1${pattern.replace(/\{(\d)\}/g, (_, index) => parts[index])}`;
      answers.set(url, ask(url));
      answers.get(url).catch(() => undefined); // the app asks again, and tells
    }
    globalThis.slipwayReads = { at: performance.now(), organisation, answers };
    const [first] = answers.values();
    first.then((answer) => answer.clone().json()).then(fill, () => undefined);
  };
  // What the page's first answer says of it stands in the outline before the app has arrived.
  const fill = (answer) => {
    for (const place of document.querySelectorAll("[data-outline] [data-early]")) {
      const words = answer[place.dataset.early];
      if (words) place.textContent = words;
    }
  };
  const start = () => {
    const { app: scripts = "", reads = "" } = document.querySelector("[data-app]")?.dataset ?? {};
    if ("known" in known && navigator.locks) {
      globalThis.slipwayTrade = navigator.locks.request("slipway.refresh", trade);
      globalThis.slipwayTrade.catch(() => undefined);
      if (reads) read(reads.split(" "));
    }
    const [app, ...parts] = scripts.split(" ");
    if (!app) return;
    for (const href of parts) {
      const link = Object.assign(document.createElement("link"), { rel: "modulepreload", href });
      document.head.append(link);
    }
    import(app).catch((problem) => {
      const broken = document.getElementById("broken");
      if (broken) broken.hidden = false;
      throw problem;
    });
    try {
      // Whoever reads it first waits for the browser to open it: better now than when the app begins.
      sessionStorage.getItem("");
    } catch {
      // The app does without.
    }
  };
  addEventListener("DOMContentLoaded", () => {
    // A hidden window draws nothing, and need not wait for it.
    if (document.hidden) start();
    else requestAnimationFrame(() => setTimeout(start));
  });
})();
