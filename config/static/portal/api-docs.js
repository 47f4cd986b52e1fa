/* The API's description is light or dark as the person chose for the other pages, else as their machine is. */

const chosen = JSON.parse(localStorage.getItem("_x_adminTheme") ?? '"auto"');
const dark = chosen === "auto" ? matchMedia("(prefers-color-scheme: dark)").matches : chosen === "dark";
document.documentElement.classList.toggle("dark-mode", dark);
