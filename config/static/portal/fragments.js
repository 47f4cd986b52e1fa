/* A fragment that cannot be had says so in its place; a sign-in that ended asks for a new one. */
function fragmentFailed(event) {
  const status = event.detail.xhr?.status;
  const words = { 403: "You may not do this.", 404: "This is gone. Go back to the list." };
  const note = document.createElement("p");
  note.className = "py-2 text-red-600 dark:text-red-500";
  note.textContent = words[status] ?? "The portal did not answer. Try again.";
  event.detail.target?.replaceChildren(note);
}

document.addEventListener("htmx:responseError", fragmentFailed);
document.addEventListener("htmx:sendError", fragmentFailed);
document.addEventListener("htmx:beforeSwap", (event) => {
  if (new URL(event.detail.xhr.responseURL || location.href).pathname.includes("/login")) {
    event.detail.shouldSwap = false;
    location.reload();
  }
});
