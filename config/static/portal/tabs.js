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
    link.addEventListener("click", () => link.scrollIntoView({ block: "nearest", inline: "nearest" }));
  }
  const open = () => tabs.get(decodeURIComponent(location.hash.slice(1)))?.click();
  if (!document.querySelector("form nav a [data-testid='error-count']")) open();
  window.addEventListener("hashchange", open);
});

/* A page that is one form on several tabs, such as a directory's: the tab is part of its address, and leaving it with
   unsaved changes asks first. ``more`` is what else the page has; its ``opened`` and ``shown(tab)`` are called then. */
function tabbedForm(firstErrorTab, hasErrors, more) {
  const link = (tab) => document.getElementById(`tab-${tab}`);
  const reveal = (tab) => link(tab)?.scrollIntoView({ block: "nearest", inline: "nearest" });
  return {
    tab: "connection",
    changed: hasErrors,
    saving: false,

    init() {
      const wanted = location.hash.slice(1);
      this.tab = firstErrorTab || (link(wanted) ? wanted : "connection");
      reveal(this.tab);
      window.addEventListener("beforeunload", (event) => {
        if (this.changed && !this.saving) event.preventDefault();
      });
      this.opened?.();
    },

    show(tab) {
      this.tab = tab;
      reveal(tab);
      history.replaceState(null, "", `${location.pathname}${location.search}#${tab}`);
      this.shown?.(tab);
    },

    ...more,
  };
}
