/* The search box of every page: "/" or Ctrl-K opens it, arrows choose, Enter goes there, Escape closes it. */

document.addEventListener("DOMContentLoaded", () => {
  const dialog = document.getElementById("rc-find");
  if (!dialog) return;
  const input = dialog.querySelector("input");
  const results = document.getElementById("rc-find-results");
  const note = document.getElementById("rc-find-note");
  const hint = note.textContent;
  let chosen = -1;
  let timer = 0;
  let asking = null;

  const options = () => [...results.querySelectorAll("[role=option]")];

  const choose = (place) => {
    const all = options();
    chosen = all.length ? (place + all.length) % all.length : -1;
    all.forEach((option, index) => {
      option.id = `rc-find-${index}`;
      option.setAttribute("aria-selected", String(index === chosen));
    });
    if (chosen < 0) {
      input.removeAttribute("aria-activedescendant");
    } else {
      input.setAttribute("aria-activedescendant", all[chosen].id);
      all[chosen].scrollIntoView({ block: "nearest" });
    }
  };

  const show = (html, words) => {
    results.innerHTML = html;
    const said = results.querySelector("[data-words]");
    note.textContent = words ?? said?.dataset.words ?? hint;
    said?.remove();
    input.setAttribute("aria-expanded", String(options().length > 0));
    choose(0);
  };

  const ask = async () => {
    asking?.abort();
    const text = input.value.trim();
    if (!text) return show("", hint);
    asking = new AbortController();
    const mine = asking;
    try {
      const address = `${input.form.action}?q=${encodeURIComponent(text)}`;
      const answer = await fetch(address, { headers: { "X-Requested-With": "fetch" }, signal: mine.signal });
      if (answer.redirected) return location.reload();
      if (!answer.ok) throw new Error(String(answer.status));
      const html = await answer.text();
      if (mine === asking) show(html);
    } catch (error) {
      if (error.name !== "AbortError" && mine === asking) show("", "The portal did not answer. Try again.");
    }
    return undefined;
  };

  const open = () => {
    if (!dialog.open) dialog.showModal();
    input.select();
  };

  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(ask, 120);
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      choose(chosen + (event.key === "ArrowDown" ? 1 : -1));
    } else if (event.key === "Escape") {
      event.preventDefault(); // which would only empty a search field
      dialog.close();
    } else if (event.key === "Enter" && options()[chosen]) {
      event.preventDefault();
      options()[chosen].click();
    }
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.closest("[data-close]")) dialog.close();
  });
  for (const link of document.querySelectorAll("[data-find]")) {
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      open();
    });
  }
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
    const slash = event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey;
    const control = (event.ctrlKey || event.metaKey) && !event.shiftKey && event.key.toLowerCase() === "k";
    if (!(slash || control) || (document.querySelector("dialog[open]") && !dialog.open)) return;
    event.preventDefault();
    open();
  });
});
