/* The report's filter box: what can be written next, by arrows and Enter or Tab; Escape closes the list. */

document.addEventListener("DOMContentLoaded", () => {
  const input = document.querySelector("[data-vocabulary]");
  const list = document.getElementById("report-completions");
  if (!input || !list) return;
  const vocabulary = JSON.parse(input.dataset.vocabulary);
  let chosen = -1;
  let from = 0; // where the word begins that is being written

  /* What may follow the text: the words, and the beginning of the one that is being written. */
  const following = (text) => {
    const words = [...text.matchAll(/"(?:[^"\\]|\\.)*"|"(?:[^"\\]|\\.)*$|[()]|[^\s()"]+/g)];
    const last = words.at(-1);
    const writing = last && /[^\s()]$/.test(text) && !/^".*"$/s.test(last[0]) ? last : null;
    const before = (writing ? words.slice(0, -1) : words).map((word) => word[0]);
    from = writing ? writing.index : text.length;
    let state = "name";
    let name = "";
    for (const word of before) {
      if (word === "(" || (state === "name" && word.toLowerCase() === "not")) continue;
      if (word === ")") state = "joint";
      else if (state === "name") [name, state] = [word.toLowerCase(), "operator"];
      else if (state === "operator") state = word.toLowerCase() === "pr" ? "joint" : "value";
      else if (state === "value") state = "joint";
      else state = "name";
    }
    const known = vocabulary[name];
    const offers = {
      name: [...Object.keys(vocabulary), "not ("],
      operator: known ? known.operators : [],
      value: known ? known.values.map((value) => JSON.stringify(value)) : [],
      joint: ["and", "or"],
    }[state];
    const begun = (writing ? writing[0] : "").toLowerCase().replace(/^"/, "");
    return offers.filter((word) => word.toLowerCase().replace(/^"/, "").startsWith(begun)).slice(0, 12);
  };

  const options = () => [...list.children];
  const choose = (place) => {
    const all = options();
    chosen = place < 0 || !all.length ? -1 : place % all.length;
    all.forEach((option, index) => option.setAttribute("aria-selected", String(index === chosen)));
    if (chosen < 0) input.removeAttribute("aria-activedescendant");
    else {
      input.setAttribute("aria-activedescendant", all[chosen].id);
      all[chosen].scrollIntoView({ block: "nearest" });
    }
  };
  const show = (words) => {
    list.replaceChildren(
      ...words.map((word, index) => {
        const option = document.createElement("li");
        option.id = `report-completion-${index}`;
        option.setAttribute("role", "option");
        option.textContent = word;
        return option;
      }),
    );
    list.hidden = !words.length;
    input.setAttribute("aria-expanded", String(words.length > 0));
    choose(-1);
  };
  const offer = () => {
    const marked = input.selectionStart !== input.selectionEnd;
    show(marked ? [] : following(input.value.slice(0, input.selectionStart)));
  };
  const take = (word) => {
    const rest = input.value.slice(input.selectionStart);
    const written = `${input.value.slice(0, from)}${word}${word.endsWith("(") ? "" : " "}`;
    input.value = written + rest.replace(/^[^\s()]*\s?/, "");
    input.setSelectionRange(written.length, written.length);
    offer();
  };

  for (const [name, value] of Object.entries({
    role: "combobox",
    "aria-autocomplete": "list",
    "aria-expanded": "false",
    "aria-controls": list.id,
  })) {
    input.setAttribute(name, value);
  }
  input.addEventListener("input", offer);
  input.addEventListener("click", offer);
  input.addEventListener("focus", offer);
  input.addEventListener("blur", () => show([]));
  input.addEventListener("keydown", (event) => {
    const number = options().length;
    if (!number) return;
    const writing = from < input.selectionStart;
    if (event.key === "ArrowDown") choose(chosen + 1);
    else if (event.key === "ArrowUp") choose(chosen > 0 ? chosen - 1 : number - 1);
    else if (event.key === "Escape") show([]);
    else if (event.key === "Enter" && chosen >= 0) take(options()[chosen].textContent);
    else if (event.key === "Tab" && !event.shiftKey && (chosen >= 0 || writing)) take(options()[Math.max(chosen, 0)].textContent);
    else return; // Enter searches, and Tab goes on, where nothing is chosen
    event.preventDefault();
  });
  list.addEventListener("pointerdown", (event) => {
    event.preventDefault(); // which would take the focus from the box
    const option = event.target.closest("[role=option]");
    if (option) take(option.textContent);
  });
});
