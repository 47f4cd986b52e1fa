/* What the theme's pages lack for people who hear or type them: a main landmark, a way past the menu, buttons that the
   keyboard reaches, names of what shows an icon only, and icons whose names ("dns", "person") are not read out. */

const NAMES = {
  "a:has(> .material-symbols-outlined:only-child)[href='/']": "Rollcall",
  "#searchbar-submit": "Search",
  "a[x-on\\:click='openTheme = !openTheme']": "Choose light or dark",
  "[x-ref^=relatedWidgetWrapper]": "Change or add one",
  "span[x-on\\:click='sidebarMobileOpen = !sidebarMobileOpen']": "Close the navigation",
};

const name = (part) => {
  for (const [which, words] of Object.entries(NAMES)) {
    for (const found of part.querySelectorAll(which)) found.setAttribute("aria-label", words);
  }
};

const press = (part) => {
  for (const found of part.querySelectorAll(":is(div, span, a:not([href]))[x-on\\:click].cursor-pointer:not([tabindex])")) {
    found.setAttribute("role", "button");
    found.setAttribute("tabindex", "0");
    found.addEventListener("keydown", (event) => {
      if (event.target !== found || !["Enter", " "].includes(event.key)) return;
      event.preventDefault();
      found.click();
    });
  }
};

const quiet = (part) => {
  for (const icon of part.querySelectorAll(".material-symbols-outlined:not([aria-label])")) {
    icon.setAttribute("aria-hidden", "true");
  }
};

/* A box of select2 is called what its field is called; the box to search in comes and goes. */
const nameChoices = () => {
  for (const select of document.querySelectorAll("select.select2-hidden-accessible")) {
    const words = select.labels[0]?.textContent.replace("*", "").trim() ?? select.getAttribute("aria-label");
    if (!words) continue;
    for (const box of select.nextElementSibling.querySelectorAll("[role=combobox], [role=textbox], [role=searchbox]")) {
      box.removeAttribute("aria-labelledby");
      box.setAttribute("aria-label", words);
    }
    django.jQuery(select).off("select2:open.names").on("select2:open.names", () => {
      document.querySelector(".select2-container--open .select2-search__field")?.setAttribute("aria-label", words);
    });
  }
};

/* On a narrow screen the names of columns stand beside each value, where nothing gives them their capital letter. */
const label = (part) => {
  for (const cell of part.querySelectorAll("#result_list [data-label]")) {
    cell.dataset.label = cell.dataset.label.charAt(0).toUpperCase() + cell.dataset.label.slice(1);
  }
};

const mend = (part) => {
  name(part);
  label(part);
  press(part);
  quiet(part);
};

document.addEventListener("DOMContentLoaded", () => {
  mend(document);
  window.django?.jQuery?.(nameChoices); // after select2, which began to wait earlier
  document.querySelector("ul.object-tools")?.setAttribute("role", "group"); // it has links, and no items
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
document.addEventListener("htmx:load", (event) => mend(event.detail.elt));
