// Sorts tables by the heads of their columns. #sort=NAME:COLUMN in the address does the same, #sort=NAME:-COLUMN the other
// way round: NAME is the id of a table, COLUMN counts from 1. It reads attributes and moves rows; it makes no HTML of text.
"use strict";
(() => {
  const tables = [...document.querySelectorAll("table")].filter((table) => table.querySelector("thead th[data-sort-by]"));
  const valueOf = (row, column, kind) => {
    const cell = row.cells[column];
    const text = cell ? (cell.dataset.sort ?? cell.textContent).trim() : "";
    return kind === "number" ? (text === "" ? NaN : Number(text)) : text;
  };
  const compare = (a, b, kind) => (kind === "number" ? a - b : a.localeCompare(b, "en", { numeric: true }));

  function sort(table, column, downwards) {
    const heads = [...table.tHead.rows[0].cells];
    const head = heads[column];
    if (!head || !head.dataset.sortBy) return;
    const kind = head.dataset.sortBy;
    for (const body of table.tBodies) {
      const rows = [...body.rows].map((row) => [valueOf(row, column, kind), row]);
      const empty = ([value]) => value === "" || Number.isNaN(value);
      const full = rows.filter((pair) => !empty(pair));
      full.sort((a, b) => compare(a[0], b[0], kind) * (downwards ? -1 : 1));
      for (const [, row] of [...full, ...rows.filter(empty)]) body.append(row);
    }
    for (const other of heads) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", downwards ? "descending" : "ascending");
  }

  function follow() {
    const wanted = /^#sort=([\w-]+):(-?)(\d+)$/.exec(location.hash);
    const table = wanted && document.getElementById(wanted[1]);
    if (table && tables.includes(table)) {
      sort(table, Number(wanted[3]) - 1, wanted[2] === "-");
      table.scrollIntoView({ block: "nearest" });
    }
    const target = document.getElementById(location.hash.slice(1));
    if (target instanceof HTMLDetailsElement) target.open = true;
  }

  tables.forEach((table, number) => {
    table.id ||= `table-${number + 1}`;
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      if (!head.dataset.sortBy) return;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const downwards = head.getAttribute("aria-sort") === "ascending";
        sort(table, column, downwards);
        history.replaceState(null, "", `#sort=${table.id}:${downwards ? "-" : ""}${column + 1}`);
      });
    });
  });
  addEventListener("hashchange", follow);
  follow();
})();
