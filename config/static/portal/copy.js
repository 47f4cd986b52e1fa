/* Buttons that copy the text of another element. */

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
  button.dataset.before ??= words.textContent;
  try {
    await copyText(document.getElementById(button.dataset.copy).textContent.trim());
    words.textContent = "Copied";
  } catch {
    words.textContent = "Select it and copy by hand";
  }
  setTimeout(() => { words.textContent = button.dataset.before; }, 2500);
});
