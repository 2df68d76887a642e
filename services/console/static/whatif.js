// The what-if box: a while after typing stops the verdict is asked for again; choosing a type shows its fields.
const form = document.querySelector("[data-what-if]");
const QUIET_MS = 500;
let timer = 0;
let asked = 0;

async function judge() {
  const mine = ++asked;
  const body = new URLSearchParams(new FormData(form));
  body.set("do", "judge");
  const shown = document.querySelector("#verdict");
  shown.classList.add("busy");
  try {
    const answer = await fetch(form.action, { method: "POST", body });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector("#verdict");
    if (mine === asked && fresh) shown.replaceChildren(...fresh.childNodes);
  } finally {
    if (mine === asked) shown.classList.remove("busy");
  }
}

form.addEventListener("input", (event) => {
  if (!["events", "now", "network"].includes(event.target.name)) return;
  clearTimeout(timer);
  timer = setTimeout(judge, QUIET_MS);
});
form.querySelector("[name=type]").addEventListener("change", () => {
  form.requestSubmit(form.querySelector("[name=do][value=type]"));
});
