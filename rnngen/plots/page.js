"use strict";
// A word is chosen by pointing, by focus or by a click, which holds it. The weights are read from the table.
for (const section of document.querySelectorAll("section")) {
  const words = {};
  for (const side of ["source", "target"]) {
    words[side] = [...section.querySelectorAll(`.${side} button`)];
  }
  const rows = [...section.querySelectorAll("tbody tr")].map((row) => [...row.querySelectorAll("td")]);
  const heads = {
    source: [...section.querySelectorAll("thead th")],
    target: [...section.querySelectorAll("tbody th")],
  };
  const output = section.querySelector("output");
  let held = null;

  const weightOf = (cell) => Number(cell.style.getPropertyValue("--weight"));
  const nameOf = (button) => button.firstChild.textContent;

  function clear() {
    for (const button of [...words.source, ...words.target]) {
      button.style.removeProperty("--weight");
      button.classList.remove("chosen", "strong");
      button.setAttribute("aria-pressed", String(button === held));
      button.lastChild.textContent = "";
    }
    [...heads.source, ...heads.target].forEach((head) => head.classList.remove("chosen"));
    output.textContent = "";
  }

  function show(button) {
    clear();
    if (!button) return;
    const side = words.source.includes(button) ? "source" : "target";
    const other = side === "source" ? "target" : "source";
    const at = words[side].indexOf(button);
    const weights = (side === "target" ? rows[at] : rows.map((row) => row[at])).map(weightOf);
    button.classList.add("chosen");
    heads[side][at].classList.add("chosen");
    weights.forEach((weight, index) => {
      const word = words[other][index];
      word.style.setProperty("--weight", weight);
      word.classList.toggle("strong", weight >= 0.65);
      word.lastChild.textContent = weight >= 0.005 ? Math.round(100 * weight) : "";
    });
    tell(nameOf(button), side === "target" ? "←" : "→", weights, words[other]);
  }

  function tell(name, arrow, weights, others) {
    const seen = weights.map((weight, index) => [weight, nameOf(others[index])]);
    const most = seen.filter(([weight]) => weight >= 0.05).sort((a, b) => b[0] - a[0]).slice(0, 4);
    const list = most.map(([weight, other]) => `${other} ${Math.round(100 * weight)} %`).join(", ");
    output.textContent = `${name} ${arrow} ${list || "nothing above 5 %"}`;
  }

  function hold(button) {
    held = button;
    show(button);
  }

  for (const button of [...words.source, ...words.target]) {
    button.addEventListener("pointerenter", () => show(button));
    button.addEventListener("pointerleave", () => show(held));
    button.addEventListener("focus", () => show(button));
    button.addEventListener("blur", () => show(held));
    button.addEventListener("click", () => hold(held === button ? null : button));
  }
  rows.forEach((row, at) => {
    for (const cell of row) {
      cell.addEventListener("pointerenter", () => show(words.target[at]));
      cell.addEventListener("pointerleave", () => show(held));
    }
  });
  section.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hold(null);
  });
}
