"use strict";
// What all pages share: the theme, the keys, messages, and the stream of events. A page hears of a
// change as the event "workbench:TOPIC" on its body, so that a part of it may have
// hx-trigger="workbench:rules from:body".

document.getElementById("theme").addEventListener("click", () => {
  const dark = getComputedStyle(document.documentElement).colorScheme === "dark";
  document.documentElement.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("theme", dark ? "light" : "dark");
});

// Keys: "?" lists them, "g" and a letter goes to a page. Nothing listens while a text is typed.
const keys = document.getElementById("keys");
let goes = 0; // until when a letter after "g" counts, in ms

function isTyping(event) {
  return event.ctrlKey || event.metaKey || event.altKey || event.isComposing ||
    Boolean(event.target.closest?.("input:not([type=checkbox], [type=radio]), textarea, select, dialog, [contenteditable]"));
}
window.isTyping = isTyping;

document.getElementById("show-keys").addEventListener("click", () => keys.showModal());
document.addEventListener("keydown", (event) => {
  if (isTyping(event) || event.defaultPrevented) return;
  if (event.key === "?") {
    event.preventDefault();
    keys.showModal();
  } else if (event.timeStamp < goes) {
    goes = 0;
    const link = document.querySelector(`nav a[data-key="${CSS.escape(event.key)}"]`);
    if (link) { event.preventDefault(); event.stopImmediatePropagation(); link.click(); }
  } else if (event.key === "g") {
    goes = event.timeStamp + 1500;
    event.stopImmediatePropagation();
  }
}, true);
keys.addEventListener("click", (event) => { if (event.target === keys) keys.close(); });

// Messages: an answer that went well, to something that was done, clears what stood there.
const messages = document.getElementById("messages");
function alertOf(text) {
  const message = document.createElement("p");
  message.className = "message";
  message.role = "alert";
  message.textContent = text;
  return message;
}
function say(text) { messages.replaceChildren(alertOf(text)); }

// What is wrong with the files of the project, as it comes and goes.
function showProblems(problems) {
  const box = document.getElementById("problems");
  const shown = [...box.children].map((problem) => problem.textContent);
  if (JSON.stringify(shown) !== JSON.stringify(problems)) box.replaceChildren(...problems.map(alertOf));
}
for (const topic of ["rules", "rows", "problems"]) {
  document.body.addEventListener(`workbench:${topic}`, ({ detail }) => showProblems(detail.problems));
}
document.body.addEventListener("htmx:beforeSwap", (event) => {
  const { requestConfig, target, elt } = event.detail;
  const quiet = elt?.closest?.("[data-quiet]") || requestConfig?.elt?.closest("[data-quiet]");
  if (requestConfig?.verb === "post" && target !== messages && !quiet) messages.replaceChildren();
});
document.body.addEventListener("htmx:responseError", (event) => {
  const { status, responseText } = event.detail.xhr;
  say(`The workbench answered ${status}: ${responseText.slice(0, 300)}`);
});
document.body.addEventListener("htmx:sendError", () => {
  say("The workbench does not answer: nothing was changed. Is it still running?");
});

// A tab is known by a name of its own, also after it is loaded anew.
const tab = sessionStorage.getItem("tab") || crypto.randomUUID();
sessionStorage.setItem("tab", tab);
document.body.addEventListener("htmx:configRequest", (event) => {
  event.detail.headers["X-Tab"] = tab;
});

// What does not follow the changes says that there were some; what comes anew is of the present.
let newest = 0; // revision of the project
function tellAge() {
  const shown = document.querySelector("main [data-revision]")?.dataset.revision ?? newest;
  document.getElementById("older").hidden = newest <= Number(shown);
}
for (const topic of ["rules", "rows"]) {
  document.body.addEventListener(`workbench:${topic}`, ({ detail }) => {
    newest = Math.max(newest, detail.revision);
    tellAge();
  });
}
document.body.addEventListener("htmx:afterSettle", tellAge);

// The stream of events. A browser opens six connections to one server and no more, and a stream
// keeps one: so one tab listens, whichever has the lock, and tells the others. All know which event
// they heard last, so that none is missed when another tab takes over.
const stale = document.getElementById("stale");
const channel = new BroadcastChannel("events");
const told = []; // what this tab told the others, if it is the one that listens
let heard = Number(document.body.dataset.heard);

function hear(change) {
  if ("answers" in change) {
    stale.hidden = change.answers;
    stale.textContent = "The workbench does not answer: is it still running? What is shown may be old.";
  } else if (change.number > heard) {
    heard = change.number;
    if (change.topic === "missed") {
      const link = document.createElement("a");
      link.href = location.href;
      link.textContent = "load it anew";
      stale.replaceChildren("Something changed that this page did not hear of: ", link, ".");
      stale.hidden = false;
    }
    document.body.dispatchEvent(new CustomEvent(`workbench:${change.topic}`, { detail: change }));
  }
}

function tell(change) {
  channel.postMessage(change);
  hear(change);
}

function listen() {
  const events = new EventSource(`/events?after=${heard}`);
  events.addEventListener("message", (event) => {
    told.push({ number: Number(event.lastEventId), ...JSON.parse(event.data) });
    if (told.length > 100) told.shift();
    tell(told.at(-1));
  });
  events.addEventListener("open", () => tell({ answers: true }));
  events.addEventListener("error", () => tell({ answers: false }));
  return new Promise(() => {}); // keeps the lock until the tab is closed
}

channel.addEventListener("message", ({ data }) => {
  if (!("after" in data)) hear(data);
  else told.filter((change) => change.number > data.after).forEach((change) => channel.postMessage(change));
});
channel.postMessage({ after: heard });
if (navigator.locks) navigator.locks.request("events", listen);
else listen();
