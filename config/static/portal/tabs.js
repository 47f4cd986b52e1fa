/* The tabs of a form have addresses: a link to a page's "#accounts" opens that tab, reloading stays there, and the
   keyboard reaches them. A tab that the server opened because of an error stays open. */

document.addEventListener("alpine:initialized", () => {
  const pattern = /^activeFieldsetTab = '(.+)'$/;
  const tabs = new Map();
  for (const link of document.querySelectorAll("form nav a")) {
    const name = pattern.exec(link.getAttribute("x-on:click") ?? "")?.[1];
    if (!name) continue;
    tabs.set(name, link);
    link.href = `#${name}`;
  }
  const open = () => tabs.get(decodeURIComponent(location.hash.slice(1)))?.click();
  if (!document.querySelector("form nav a [data-testid='error-count']")) open();
  window.addEventListener("hashchange", open);
});
