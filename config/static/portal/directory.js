/* The directory page: lists of statements, mapping rows. What a row looks like comes from the server. */

function directoryPage(firstErrorTab, hasErrors) {
  const fresh = ["templates", "mapping", "features"];
  return tabbedForm(firstErrorTab, hasErrors, {
    opened() {
      if (new URLSearchParams(location.search).has("test")) {
        this.$nextTick(() => document.getElementById("test-button")?.click());
      }
    },

    /* What a test found is brought into sight, and read out. */
    tested(result) {
      result.scrollIntoView({ block: "start" });
      result.focus({ preventScroll: true });
    },

    /* A value that the test found out goes into its box, and the test goes on with it. */
    take(id, value) {
      document.getElementById(id).value = value;
      this.changed = true;
      document.getElementById("test-button").click();
    },

    /* The choices of a tab follow what was changed on the others, so it is drawn again when something was. */
    shown(tab) {
      const panel = document.getElementById(`panel-${tab}`);
      const form = document.getElementById("directory_form");
      if (panel && this.changed && fresh.includes(tab) && !form.querySelector("fieldset").disabled) {
        htmx.ajax("POST", form.dataset.panel.replace("PANEL", tab), { source: form, target: panel });
      }
    },

    operation(element) {
      return element.closest(".rcd-operation");
    },

    addStatement(element, sql = "") {
      const operation = this.operation(element);
      const list = operation.querySelector(".rcd-statements");
      list.append(operation.querySelector(".rcd-new-statement").content.cloneNode(true));
      const area = list.lastElementChild.querySelector("textarea");
      area.value = sql;
      operation.open = true;
      this.changed = true;
      this.count();
      if (!sql) area.focus();
    },

    insertExample(element) {
      const operation = this.operation(element);
      const examples = JSON.parse(document.getElementById("statement-examples").textContent);
      for (const area of operation.querySelectorAll(".rcd-statements textarea")) {
        if (!area.value.trim()) area.closest(".rcd-statement").remove();
      }
      for (const sql of examples[operation.dataset.operation] ?? []) this.addStatement(operation, sql);
    },

    insertAll() {
      const also = JSON.parse(document.getElementById("also-inserted").textContent);
      for (const operation of document.querySelectorAll(".rcd-operation")) {
        if (operation.dataset.optional !== "0" && !also.includes(operation.dataset.operation)) continue;
        const written = [...operation.querySelectorAll(".rcd-statements textarea")].some((area) => area.value.trim());
        if (!written) this.insertExample(operation);
      }
    },

    moveUp(element) {
      const statement = element.closest(".rcd-statement");
      statement.previousElementSibling?.before(statement);
      this.changed = true;
    },

    moveDown(element) {
      const statement = element.closest(".rcd-statement");
      statement.nextElementSibling?.after(statement);
      this.changed = true;
    },

    removeStatement(element) {
      element.closest(".rcd-statement").remove();
      this.changed = true;
      this.count();
    },

    /* A tick for each operation that has a statement, and how many of the needed ones have. */
    count() {
      const written = (area) => area.value.trim() !== "";
      for (const operation of document.querySelectorAll(".rcd-operation")) {
        const areas = [...operation.querySelectorAll(".rcd-statements textarea")];
        operation.classList.toggle("rcd-written", areas.some(written));
      }
      for (const number of document.querySelectorAll(".rcd-written-count")) {
        number.textContent = number.closest(".rcd-section").querySelectorAll(".rcd-needed.rcd-written").length;
      }
    },

    tryStatement(element) {
      const box = document.getElementById("try-box");
      box.querySelector("[name=try_operation]").value = this.operation(element).dataset.operation;
      box.scrollIntoView({ block: "center" });
      box.querySelector("[name=try_user]").focus({ preventScroll: true });
    },

    /* What stands for blank boxes follows the kind of server. */
    fill(event) {
      const fills = JSON.parse(document.getElementById("connection-fills").textContent);
      for (const [name, words] of Object.entries(fills[event.target.value] ?? {})) {
        document.getElementById(`id_connection-${name}`).placeholder = words;
      }
      const note = document.getElementById("connection-note");
      if (note) note.textContent = JSON.parse(document.getElementById("connection-notes").textContent)[event.target.value] ?? "";
    },

    addRow() {
      const template = document.getElementById("new-mapping-row");
      const rows = document.getElementById("mapping-rows");
      rows.append(template.content.cloneNode(true));
      document.getElementById("no-mapping")?.remove();
      this.changed = true;
      rows.lastElementChild.querySelector("input").focus();
    },

    removeRow(element) {
      element.closest(".rcd-mapping-row").remove();
      this.changed = true;
      document.getElementById("panel-mapping").dispatchEvent(new Event("change"));
    },
  });
}
