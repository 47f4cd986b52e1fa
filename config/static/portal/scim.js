/* The page of a SCIM application: tabs and mapping rows. What a row looks like comes from the server. */

function scimPage(firstErrorTab, hasErrors) {
  return {
    tab: "connection",
    changed: hasErrors,
    saving: false,

    init() {
      const wanted = location.hash.slice(1);
      this.tab = firstErrorTab || (document.getElementById(`tab-${wanted}`) ? wanted : "connection");
      document.getElementById(`tab-${this.tab}`)?.scrollIntoView({ block: "nearest", inline: "nearest" });
      window.addEventListener("beforeunload", (event) => {
        if (this.changed && !this.saving) event.preventDefault();
      });
    },

    show(tab) {
      this.tab = tab;
      document.getElementById(`tab-${tab}`).scrollIntoView({ block: "nearest", inline: "nearest" });
      history.replaceState(null, "", `${location.pathname}${location.search}#${tab}`);
      document.dispatchEvent(new Event(`shown-${tab}`));
    },

    addRow(list, path = "") {
      const rows = document.getElementById(`${list}-rows`);
      rows.append(document.getElementById(`new-${list}-row`).content.cloneNode(true));
      htmx.process(rows.lastElementChild);
      this.changed = true;
      const area = rows.lastElementChild.querySelector("textarea");
      area.value = path;
      area.focus();
    },

    removeRow(element) {
      const list = element.closest("[data-list]");
      element.closest(".rcd-mapping-row").remove();
      this.changed = true;
      list.dispatchEvent(new Event("change", { bubbles: true }));
    },
  };
}
