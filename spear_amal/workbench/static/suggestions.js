"use strict";
// The page of suggestions: one of them is chosen; keys move on, accept, edit and reject.

const suggestions = document.getElementById("suggestions");
let chosen = { signature: "", place: 0 };

function entries() {
  return [...suggestions.querySelectorAll(".suggestion")];
}

// Its rows are shown, those of others are not.
function choose(place, focuses = true) {
  const all = entries();
  if (!all.length) return;
  place = Math.max(0, Math.min(place, all.length - 1));
  for (const [number, entry] of all.entries()) {
    const isChosen = number === place;
    entry.classList.toggle("chosen", isChosen);
    if (isChosen) entry.setAttribute("aria-current", "true");
    else entry.removeAttribute("aria-current");
    entry.querySelector("details").open = isChosen;
  }
  chosen = { signature: all[place].dataset.signature, place };
  if (focuses) {
    all[place].focus({ preventScroll: true });
    all[place].scrollIntoView({ block: "nearest" });
  }
}

document.addEventListener("keydown", (event) => {
  if (window.isTyping(event) || event.defaultPrevented) return;
  const all = entries();
  if (!all.length) return;
  if (event.key === "j" || event.key === "k") {
    event.preventDefault();
    const first = !suggestions.querySelector(".chosen");
    choose(first ? 0 : chosen.place + (event.key === "j" ? 1 : -1));
  } else if (["a", "e", "r"].includes(event.key)) {
    const deed = all[chosen.place]?.querySelector(`[data-key="${event.key}"]`);
    if (deed && all[chosen.place].classList.contains("chosen")) {
      event.preventDefault();
      deed.click();
    }
  }
});
suggestions.addEventListener("click", (event) => {
  const entry = event.target.closest(".suggestion");
  if (entry && !event.target.closest("button, a, summary")) choose(entries().indexOf(entry));
});

// A new list: the same suggestion stays chosen, or the one that took its place.
let focused = false;
document.body.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target === suggestions) {
    focused = suggestions.contains(document.activeElement);
  }
});
document.body.addEventListener("htmx:afterSettle", (event) => {
  if (event.detail.elt !== suggestions || !chosen.signature) return;
  const same = entries().findIndex((entry) => entry.dataset.signature === chosen.signature);
  choose(same < 0 ? chosen.place : same, focused);
});
