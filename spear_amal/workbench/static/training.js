"use strict";
// The form shows what goes with the command; the clock of a run ticks between what the server sends;
// what a reader has opened or closed stays so when a part comes anew.

const form = document.getElementById("start");
if (form) {
  const adapt = () => {
    const command = form.elements.command.value;
    for (const part of form.querySelectorAll("[data-only]")) {
      const shown = part.dataset.only === command;
      part.hidden = !shown;
      if (part.tagName === "OPTION") {
        part.disabled = !shown;
        if (!shown && part.selected) part.closest("select").selectedIndex = 0;
      }
    }
  };
  form.addEventListener("change", adapt);
  adapt();
  document.addEventListener("keydown", (event) => {
    if (event.key !== "t" || window.isTyping(event) || event.defaultPrevented) return;
    event.preventDefault();
    form.requestSubmit();
  });
}

setInterval(() => {
  for (const clock of document.querySelectorAll(".clock[data-began]")) {
    const seconds = Math.max(Math.round(Date.now() / 1000 - clock.dataset.began), 0);
    const rest = String(seconds % 60).padStart(2, "0");
    clock.textContent = `${Math.floor(seconds / 60)}:${rest}`;
  }
}, 1000);

let opened = {};
document.body.addEventListener("htmx:beforeSwap", () => {
  opened = {};
  for (const part of document.querySelectorAll("#job details[id]")) opened[part.id] = part.open;
});
document.body.addEventListener("htmx:afterSwap", () => {
  for (const [id, open] of Object.entries(opened)) {
    const part = document.getElementById(id);
    if (part && chosen.has(id)) part.open = open;
  }
});
const chosen = new Set(); // what a reader has opened or closed
document.body.addEventListener("click", (event) => {
  const part = event.target.closest?.("#job details[id] > summary")?.parentElement;
  if (part) chosen.add(part.id);
});
