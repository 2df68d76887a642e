// Keeps the times left going: the server's text, counted on by the server's clock, in the page's language.
const zh = document.documentElement.lang.startsWith("zh");
const units = zh
  ? [[86400, " 天", " 天"], [3600, " 小时", " 小时"], [60, " 分", " 分"], [1, " 秒", " 秒"]]
  : [[86400, " day", " days"], [3600, " h", " h"], [60, " min", " min"], [1, " s", " s"]];

export function words(seconds) {
  let left = Math.abs(seconds);
  const said = [];
  for (const [size, one, many] of units) {
    const count = Math.floor(left / size);
    left %= size;
    if (count || (size === 1 && !said.length)) said.push(count + (count === 1 ? one : many));
    else if (said.length) break;
    if (said.length === 2) break;
  }
  return (seconds < 0 ? "−" : "") + said.join(" ");
}

const clock = document.querySelector("[data-now]");
const ahead = clock ? Date.parse(clock.dataset.now) - Date.now() : 0;
const shown = [...document.querySelectorAll("[data-until]")].map((element) => [element, Date.parse(element.dataset.until)]);

function tick() {
  const now = Date.now() + ahead;
  for (const [element, until] of shown) {
    const seconds = Math.round((until - now) / 1000);
    element.textContent = words(seconds);
    element.classList.toggle("over", seconds < 0);
    element.closest("tr")?.classList.toggle("late", seconds < 0);
  }
}
if (shown.length) setInterval(tick, 1000);
