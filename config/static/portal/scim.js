/* The page of a SCIM application: mapping rows. What a row looks like comes from the server. */

function scimPage(firstErrorTab, hasErrors) {
  return tabbedForm(firstErrorTab, hasErrors, {
    shown(tab) {
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
  });
}
