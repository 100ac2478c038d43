"use strict";
// The page of rules: kinds of the editor, the proposed name, the address of the view, keys.

const editing = document.getElementById("editing");
const list = document.getElementById("lf-list");
const preview = document.getElementById("preview");
let isNamed = Boolean(document.getElementById("rule-name").value); // by the user, not proposed

function mainField() {
  return editing.querySelector("fieldset:not([disabled]) [data-main]");
}

// Only the fields of the chosen kind are shown and sent; those of others keep what was typed.
function showKind() {
  const kind = editing.querySelector("[name=kind]:checked").value;
  for (const part of editing.querySelectorAll("[data-kinds]")) {
    part.hidden = part.disabled = !part.dataset.kinds.split(" ").includes(kind);
  }
}
editing.addEventListener("input", (event) => {
  if (event.target.name === "kind") showKind();
  if (event.target.id === "rule-name") isNamed = event.target.value !== "";
}, true);
editing.addEventListener("submit", (event) => event.preventDefault());

// The address always restores what is seen.
function keepAddress() {
  const query = [preview, list].map((part) => part.querySelector("[data-query]")?.dataset.query);
  const address = `/rules?${query.filter(Boolean).join("&")}`;
  history.replaceState(history.state, "", address.replace(/\?$/, ""));
}

function proposeName() {
  const name = document.getElementById("rule-name");
  const proposed = preview.querySelector("[data-proposed]")?.dataset.proposed ?? "";
  if (!isNamed) name.placeholder = proposed;
}

let scrolled = 0; // of the table, which is put in place anew
document.body.addEventListener("htmx:beforeSwap", (event) => {
  scrolled = list.querySelector(".table")?.scrollLeft ?? 0;
  const { target, requestConfig } = event.detail;
  // What was asked for before an LF was made of it says nothing of the editor that followed.
  if (target === preview && !requestConfig.elt.isConnected) event.detail.shouldSwap = false;
});
document.body.addEventListener("htmx:afterSettle", (event) => {
  const table = list.querySelector(".table");
  if (table) table.scrollLeft = scrolled;
  if (event.detail.elt === editing) { // an LF was made: the next one
    isNamed = false;
    showKind();
    mainField()?.focus();
  }
  keepAddress();
  proposeName();
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    document.getElementById("save").click();
  } else if (!window.isTyping(event) && !event.defaultPrevented) {
    const goal = { n: mainField(), "/": document.getElementById("filter-q") }[event.key];
    if (goal) { event.preventDefault(); goal.focus(); }
  }
});
proposeName();
