"use strict";
// Keys of the pages of rows. An element with data-keys="k ArrowLeft" is clicked by these keys; on
// the list of a search j and k walk from row to row, and x chooses the row for "rows like these".

// A person needs longer than this to see what a row says: an earlier answer was meant for the row
// before, by a key or a button that was pressed twice.
const UNSEEN_MS = 250;
let pending = false; // whether a request is under way: keys wait until the next row is there

const CLICKED = "a, button, summary, input, select, textarea, label";

function keyOf(event) {
  if (event.key === " ") return "Space";
  return event.key.length === 1 ? event.key.toLowerCase() : event.key;
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || window.isTyping?.(event)) return;
  const key = keyOf(event);
  if ((key === "Space" || key === "Enter") && event.target.closest?.(CLICKED)) return;
  if (walks(key, event)) { event.preventDefault(); return; }
  const target = document.querySelector(`main [data-keys~="${CSS.escape(key)}"]`);
  if (!target) return;
  event.preventDefault();
  if (event.repeat && target.closest("#label")) return;
  if (target.matches("input:not([type=checkbox])")) { target.focus(); target.select(); } else target.click();
});

// -- labelling ------------------------------------------------------------------------------------

// Whatever sends a form, a key, a button or the browser itself: only when its row was seen, and
// nothing is under way. This comes before anybody else hears of it.
document.addEventListener("submit", (event) => {
  if (!ofLabels(event.target)) return;
  const label = event.target.closest("#label");
  if (pending || (label && !("ready" in label.dataset))) {
    event.preventDefault();
    event.stopImmediatePropagation();
  }
}, true);

function ofLabels(element) { return Boolean(element?.closest?.("#label, #messages")); }

document.body.addEventListener("htmx:beforeRequest", (event) => {
  if (!ofLabels(event.detail.elt)) return;
  if (pending) { event.preventDefault(); return; }
  pending = true;
  document.getElementById("label")?.setAttribute("aria-busy", "true");
});
document.body.addEventListener("htmx:afterRequest", (event) => {
  if (!ofLabels(event.detail.elt) && event.detail.target?.id !== "label") return;
  pending = false;
  document.getElementById("label")?.removeAttribute("aria-busy");
});
document.body.addEventListener("htmx:afterSwap", (event) => {
  const { target } = event.detail;
  if (target.id === "messages") target.querySelector("button")?.focus();
  if (target.id !== "label") return;
  openEvidence();
  setTimeout(beReady, UNSEEN_MS);
  document.getElementById("label-row")?.focus({ preventScroll: true });
  document.getElementById("label")?.scrollIntoView({ block: "nearest" });
});
function openEvidence() {
  const evidence = document.getElementById("evidence");
  if (!evidence) return;
  evidence.open = sessionStorage.getItem("evidence") === "open";
  evidence.addEventListener("toggle", () => {
    sessionStorage.setItem("evidence", evidence.open ? "open" : "");
  });
}
openEvidence();

// Labels are taken from now on.
function beReady() {
  const label = document.getElementById("label");
  if (label) label.dataset.ready = "";
}
beReady(); // before the first row nothing was pressed

// -- the list of a search -------------------------------------------------------------------------

function walks(key, event) {
  const items = [...document.querySelectorAll(".rows > li")];
  if (!items.length) return false;
  const at = items.findIndex((item) => item.contains(document.activeElement));
  if (key === "j" || key === "k") {
    const to = at < 0 ? 0 : Math.min(Math.max(at + (key === "j" ? 1 : -1), 0), items.length - 1);
    items[to].querySelector("a.open").focus();
    items[to].scrollIntoView({ block: "nearest" });
    return true;
  }
  if (key === "x" && at >= 0) { items[at].querySelector(".choose").click(); return true; }
  if (key === "n" || key === "p") {
    const link = document.querySelector(`.pages a[rel=${key === "n" ? "next" : "prev"}]`);
    if (link && !event.repeat) link.click();
    return Boolean(link);
  }
  return false;
}

// Chosen rows are kept while one searches on, in this tab, as long as the table is the same one.
function chosenRows() {
  const table = document.querySelector(".rows")?.dataset.table;
  const kept = JSON.parse(sessionStorage.getItem("chosen") ?? "{}");
  return new Set(table === undefined || kept.table === table ? kept.rows : []);
}
function keepChosen(rows) {
  const { table } = document.querySelector(".rows").dataset;
  sessionStorage.setItem("chosen", JSON.stringify({ table, rows: [...rows] }));
  showChosen();
}
function showChosen() {
  const box = document.getElementById("chosen");
  if (!box) return;
  const rows = chosenRows();
  for (const input of document.querySelectorAll(".rows .choose")) {
    input.checked = rows.has(input.value);
  }
  box.hidden = rows.size === 0;
  document.getElementById("n-chosen").textContent = String(rows.size);
  document.getElementById("similar").href = `/rules?kind=similar&rows=${[...rows].join(",")}`;
}
document.addEventListener("change", (event) => {
  if (!event.target.matches(".rows .choose")) return;
  const rows = chosenRows();
  if (event.target.checked) rows.add(event.target.value); else rows.delete(event.target.value);
  keepChosen(rows);
});
document.addEventListener("click", (event) => {
  if (event.target.id === "unchoose") keepChosen(new Set());
});
document.body.addEventListener("htmx:afterSettle", showChosen);
showChosen();
