// Runs before anything is drawn: the theme that was chosen here, and whether somebody was signed in
// when last here, so that the outline in the page's own HTML shows nothing that is not so.
(() => {
  const known = document.documentElement.dataset;
  try {
    const theme = localStorage.getItem("slipway.theme");
    if (theme === "light" || theme === "dark") known.theme = theme;
    if (localStorage.getItem("slipway.session") === "1") known.known = "";
  } catch {
    // Private windows may have no storage: they get what everybody gets.
  }
})();
