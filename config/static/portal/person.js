/* The person page: prints itself, with every part unfolded that is open on the screen. */

document.addEventListener("click", (event) => {
  const menu = document.querySelector(".rc-person-more[open]");
  if (event.target.closest("[data-print]")) {
    menu?.removeAttribute("open");
    window.print();
  } else if (menu && !menu.contains(event.target)) {
    menu.removeAttribute("open");
  }
});

document.addEventListener("keydown", (event) => {
  const menu = document.querySelector(".rc-person-more[open]");
  if (event.key !== "Escape" || !menu) return;
  menu.removeAttribute("open");
  menu.querySelector("summary").focus();
});

/* A link to a part of the page leads there once the parts above it are loaded, too. */
document.addEventListener("htmx:load", () => {
  if (location.hash && window.scrollY < 10) document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
});
