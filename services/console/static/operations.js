// Operations: the live part is replaced section by section as the console sends it; what has not changed stays, with its focus.
const live = document.querySelector("#live");
const state = document.querySelector("[data-live-state]");

function take(html) {
  const fresh = new DOMParser().parseFromString(html, "text/html").body;
  if (fresh.children.length !== live.children.length) {
    live.replaceChildren(...fresh.children);
    return;
  }
  [...fresh.children].forEach((section, place) => {
    const shown = live.children[place];
    if (shown.isEqualNode(section)) return;
    const focused = shown.contains(document.activeElement) ? [...shown.querySelectorAll("a, [tabindex]")].indexOf(document.activeElement) : -1;
    shown.replaceWith(section);
    if (focused >= 0) section.querySelectorAll("a, [tabindex]")[focused]?.focus({ preventScroll: true });
  });
}

const stream = new EventSource(live.dataset.stream);
stream.addEventListener("operations", (event) => {
  if (!document.hidden) take(JSON.parse(event.data));
  state.textContent = state.dataset.on;
});
stream.addEventListener("error", () => (state.textContent = state.dataset.off));
addEventListener("pagehide", () => stream.close());
