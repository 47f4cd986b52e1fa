/* Says in words when the browser made or gave no passkey: django-allauth's script would write to the console alone. */
document.addEventListener("allauth.error", (event) => {
    event.preventDefault();
    const problem = document.getElementById("passkey-problem");
    if (!problem) return;
    const names = {
        InvalidStateError: "This device has a passkey for you already.",
        SecurityError: "Passkeys need the portal's own name and HTTPS in the address.",
    };
    problem.textContent = names[event.detail.exception.name] || "No passkey was used. Try again, or take another way.";
    problem.hidden = false;
});
