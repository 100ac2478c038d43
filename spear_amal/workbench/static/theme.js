"use strict";
// Before anything is shown: the theme that was chosen last.
const kept = localStorage.getItem("theme");
if (kept) document.documentElement.dataset.theme = kept;
