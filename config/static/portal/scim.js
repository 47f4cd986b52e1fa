/* The page of a SCIM application: tabs, mapping rows, copy buttons. What a row looks like comes from the server. */

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

/* Outside HTTPS and localhost a page has no clipboard; then the text is selected and copied the old way. */
async function copyText(text) {
  if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea");
  area.value = text;
  area.style.position = "fixed";
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  if (!copied) throw new Error("copy");
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const words = button.querySelector("[data-words]");
  try {
    await copyText(document.getElementById(button.dataset.copy).textContent.trim());
    words.textContent = "Copied";
  } catch {
    words.textContent = "Select it and copy by hand";
  }
  setTimeout(() => { words.textContent = "Copy"; }, 2500);
});
