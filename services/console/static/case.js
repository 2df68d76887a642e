// The case page: evidence lights its mark and its row, the slider shows what was known when, the link can be copied.
const marks = (key) => [...document.querySelectorAll(".mark[data-event], tr[data-event]")].filter((one) => one.dataset.event === key);
const light = (key, on) => marks(key).forEach((one) => one.classList.toggle("lit", on));

const evidence = (event) => event.target.closest?.("a[data-event], .mark[data-event], tr[data-event]");
for (const [type, on] of [["mouseover", true], ["focusin", true], ["mouseout", false], ["focusout", false]]) {
  document.addEventListener(type, (event) => {
    const key = evidence(event)?.dataset.event;
    if (key) light(key, on);
  });
}
document.addEventListener("click", (event) => {
  const mark = event.target.closest?.(".mark[data-event]");
  if (!mark) return;
  const row = marks(mark.dataset.event).find((one) => one.tagName === "TR");
  row?.scrollIntoView({ block: "center" });
  if (row) location.hash = row.id;
});

for (const link of document.querySelectorAll("[data-copy]")) {
  link.addEventListener("click", async (event) => {
    if (!navigator.clipboard) return;
    event.preventDefault();
    const before = link.textContent;
    try {
      await navigator.clipboard.writeText(link.href);
    } catch {
      location.assign(link.href);
      return;
    }
    link.textContent = link.dataset.copied;
    setTimeout(() => (link.textContent = before), 1500);
  });
}

const form = document.querySelector("[data-as-of]");
if (form) slide(form);

function slide(form) {
  const moments = form.dataset.moments.split(" ").filter(Boolean);
  if (!moments.length) return;
  const slider = form.querySelector("[type=range]");
  const said = form.querySelector("output");
  const field = form.querySelector("[name=as_of]");
  const shown = new URL(location.href).searchParams.get("as_of");
  form.querySelector(".slide").hidden = false;
  if (shown) {
    const until = shown.endsWith("Z") ? shown : local(field.value);
    slider.value = moments.filter((moment) => Date.parse(moment) <= Date.parse(until)).length - 1;
  }
  say();
  slider.addEventListener("input", () => {
    say();
    const moment = moments[slider.value];
    for (const mark of document.querySelectorAll(".mark[data-recorded]")) {
      mark.classList.toggle("later", Boolean(moment) && Date.parse(mark.dataset.recorded) > Date.parse(moment));
    }
  });
  slider.addEventListener("change", () => load(moments[slider.value]));

  function say() {
    const moment = moments[slider.value];
    said.textContent = moment ? wall(moment) : form.dataset.now;
    slider.setAttribute("aria-valuetext", said.textContent);
  }

  // The zone is the networks', not the viewer's: the server says how far it is from UTC.
  function wall(moment) {
    return new Date(Date.parse(moment) + offset_ms()).toISOString().slice(0, 19).replace("T", " ");
  }
  function local(text) {
    return new Date(Date.parse(`${text}Z`) - offset_ms()).toISOString();
  }
  function offset_ms() {
    return Number(form.dataset.offsetS) * 1000;
  }

  let asked = 0;
  async function load(moment) {
    const mine = ++asked;
    const url = new URL(location.href);
    url.hash = "";
    if (moment) url.searchParams.set("as_of", moment);
    else url.searchParams.delete("as_of");
    const part = document.querySelector("#case");
    part.classList.add("busy");
    try {
      const answer = await fetch(url);
      if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (mine !== asked) return;
      part.replaceWith(page.querySelector("#case"));
      field.value = page.querySelector("[name=as_of]").value;
      history.replaceState(null, "", url);
    } catch {
      location.assign(url);
    }
  }
}
