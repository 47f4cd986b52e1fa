/* What the theme's pages lack for people who hear or type them: a main landmark, a way past the menu, and icons whose
   names ("dns", "person") are not read out. */

const quiet = (part) => {
  for (const icon of part.querySelectorAll(".material-symbols-outlined:not([aria-label])")) {
    icon.setAttribute("aria-hidden", "true");
  }
};

document.addEventListener("DOMContentLoaded", () => {
  quiet(document);
  const content = document.getElementById("content");
  if (!content) return;
  content.setAttribute("role", "main");
  content.setAttribute("tabindex", "-1");
  const skip = document.createElement("a");
  skip.href = "#content";
  skip.className = "rc-skip";
  skip.textContent = "Skip to the content";
  document.body.prepend(skip);
});
document.addEventListener("htmx:load", (event) => quiet(event.detail.elt));
