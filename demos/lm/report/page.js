"use strict";
// Every page: its data, and light or dark. The scripts of the sections follow.
const data = JSON.parse(document.getElementById("data").textContent);
const element = (id) => document.getElementById(id);

const dark = matchMedia("(prefers-color-scheme: dark)");
let chosen = null; // the theme, if the reader switched; else the system's
const paint = () => { document.documentElement.dataset.theme = chosen ?? (dark.matches ? "dark" : "light"); };
dark.addEventListener("change", paint);
paint();
element("theme").addEventListener("click", () => {
  chosen = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  paint();
});

const unpacked = (text, Type) => new Type(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
const plain = (event) => // a key that neither the browser nor a selection has a use for
  !(event.shiftKey || event.ctrlKey || event.altKey || event.metaKey) && getSelection().isCollapsed;
const shade = (name, part) => `rgb(var(--${name}) / calc(var(--most) * ${part.toFixed(3)}))`; // of a colour, 0 to 1
const escapes = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
const escaped = (text) => text.replace(/[&<>"]/g, (c) => escapes[c]);
