"use strict";

for (const table of document.querySelectorAll("table[data-sortable]")) {
  const body = table.tBodies[0];
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    const button = heading.querySelector("button");
    if (!button) return;
    button.addEventListener("click", () => {
      const first = heading.dataset.first || "ascending";
      const other = first === "ascending" ? "descending" : "ascending";
      const order = heading.getAttribute("aria-sort") === first ? other : first;
      headings.forEach((cell) => cell.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", order);
      const sign = order === "ascending" ? 1 : -1;
      const value = (row) => row.cells[column].dataset.value;
      const rows = [...body.rows].sort((a, b) => {
        const [left, right] = [value(a), value(b)];
        // Rows without a value stay last whichever way the others run.
        if (left === "" || right === "") return (left === "") - (right === "");
        const numeric = Number(left) - Number(right);
        return sign * (Number.isNaN(numeric) ? left.localeCompare(right) : numeric);
      });
      body.append(...rows);
      table.dispatchEvent(new Event("reordered"));
    });
  });
}

const filters = document.getElementById("filters");
if (filters) {
  const table = document.getElementById("ranking-table");
  const shown = document.getElementById("shown");
  const more = document.getElementById("more");
  const limit = Number(table.dataset.folded);
  let folded = true;
  filters.hidden = false;
  const apply = () => {
    const words = filters.elements.words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const factor = filters.elements.factor.value;
    const only = filters.elements.only.value;
    let matching = 0;
    let visible = 0;
    for (const row of table.tBodies[0].rows) {
      const match =
        words.every((word) => row.dataset.words.includes(word)) &&
        (!factor || row.dataset.factors.split(" ").includes(factor)) &&
        (!only || row.dataset.state.split(" ").includes(only));
      matching += match;
      row.hidden = !match || (folded && matching > limit);
      visible += !row.hidden;
    }
    shown.textContent = `${visible} of ${table.tBodies[0].rows.length} shown`;
    more.hidden = matching <= visible;
    more.textContent = `Show all ${matching}`;
  };
  filters.addEventListener("input", apply);
  filters.addEventListener("submit", (event) => event.preventDefault());
  table.addEventListener("reordered", apply);
  more.addEventListener("click", () => {
    folded = false;
    apply();
  });
  window.addEventListener("beforeprint", () => {
    folded = false;
    apply();
  });
  apply();
}

const closer = document.getElementById("closer");
if (closer) {
  const large = closer.querySelector("[data-large]");
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("button.thumb");
    if (opener) {
      const image = document.createElement("img");
      image.src = opener.querySelector("img").src;
      image.alt = opener.dataset.text;
      const caption = document.createElement("figcaption");
      caption.textContent = opener.dataset.text;
      large.replaceChildren(image, caption);
      closer.showModal();
    } else if (event.target === closer) {
      closer.close();
    }
  });
}
