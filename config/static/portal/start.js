/* The start page: asks for its parts again while somebody looks, puts in place those that have changed, and keeps where
   one was: the scroll, the focus, and the tables that are open. */

const EVERY = 30_000;
const start = document.getElementById("start");
const parts = (page) => new Map([...page.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, part]));
const canvases = (part) => [...part.querySelectorAll("canvas.chart")];
const links = (part) => [...part.querySelectorAll("a, button, summary")];
const asServed = new Map([...parts(start)].map(([name, part]) => [name, part.outerHTML]));

function draw(part, before) {
  const old = canvases(before);
  const fresh = canvases(part);
  for (const [place, canvas] of fresh.entries()) {
    const chart = old.length === fresh.length && Chart.getChart(old[place]);
    const data = JSON.parse(canvas.dataset.value);
    if (chart) {
      canvas.replaceWith(old[place]);
      chart.data = data;
      paint(chart);
    } else {
      paint(new Chart(canvas, { type: canvas.dataset.type, data, options: JSON.parse(canvas.dataset.options) }));
    }
  }
  if (old.length !== fresh.length) for (const canvas of old) Chart.getChart(canvas)?.destroy();
}

function put(part, before) {
  const focused = links(before).indexOf(document.activeElement);
  const open = [...before.querySelectorAll("details")].map((details) => details.open);
  for (const [place, details] of [...part.querySelectorAll("details")].entries()) details.open = open[place] ?? false;
  before.replaceWith(part);
  draw(part, before);
  if (focused >= 0) links(part)[focused]?.focus({ preventScroll: true });
  document.dispatchEvent(new CustomEvent("htmx:load", { detail: { elt: part } })); /* names and quiets it */
}

async function refresh() {
  if (document.hidden || start.contains(document.getSelection().anchorNode) && !document.getSelection().isCollapsed) return;
  let response;
  try {
    response = await fetch(start.dataset.parts, { headers: { "X-Requested-With": "XMLHttpRequest" } });
  } catch {
    return; /* the portal does not answer: what is shown stays, and the next time asks again */
  }
  if (response.redirected) location.reload(); /* the sign-in has ended */
  if (!response.ok || response.redirected) return;
  const text = await response.text();
  const found = parts(new DOMParser().parseFromString(text, "text/html"));
  const shown = parts(start);
  if ([...found.keys()].join() !== [...shown.keys()].join()) {
    if (!start.contains(document.activeElement)) location.reload(); /* other parts than before: a rare thing */
    return;
  }
  for (const [name, part] of found) {
    const served = part.outerHTML;
    if (asServed.get(name) === served) continue;
    put(document.adoptNode(part), shown.get(name));
    asServed.set(name, served);
  }
}

let last = Date.now();
function now() {
  last = Date.now();
  return refresh();
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden && Date.now() - last > EVERY) now();
});
setInterval(now, EVERY);
