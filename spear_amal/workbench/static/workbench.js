"use strict";
// What all pages share: the theme, and the stream of events. A page hears of a change as the
// event "workbench:TOPIC" on its body, so that a part of it may have hx-trigger="workbench:rules
// from:body".

const theme = document.getElementById("theme");
const kept = localStorage.getItem("theme");
if (kept) document.documentElement.dataset.theme = kept;
theme.addEventListener("click", () => {
  const dark = getComputedStyle(document.documentElement).colorScheme === "dark";
  document.documentElement.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("theme", dark ? "light" : "dark");
});

const events = new EventSource("/events");
events.addEventListener("message", (event) => {
  const change = JSON.parse(event.data);
  document.body.dispatchEvent(new CustomEvent(`workbench:${change.topic}`, { detail: change }));
});
const stale = document.getElementById("stale");
events.addEventListener("error", () => {
  stale.hidden = false;
  stale.textContent = "The workbench does not answer: is it still running? What is shown may be old.";
});
events.addEventListener("open", () => { stale.hidden = true; });
