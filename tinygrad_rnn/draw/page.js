"use strict";
// The graph of this page: data.nodes has one [label, [[name, value], ...]] a node, data.edges the pairs of nodes that
// an edge joins, from what is read to what reads it. In the SVG they are #n0, #n1, ... and #e0, #e1, ...
const data = JSON.parse(document.getElementById("graph").textContent);
const ids = ["view", "stage", "tip", "keys", "search", "status", "found"];
const [view, stage, tip, keys, search, said, count] = ids.map((id) => document.getElementById(id));
const svg = stage.querySelector("svg");
const nodes = data.nodes.map((_, k) => document.getElementById(`n${k}`));
const edges = data.edges.map((_, k) => document.getElementById(`e${k}`));
const reads = data.nodes.map(() => []); // the edges that come in at each node
const readBy = data.nodes.map(() => []); // the edges that go out
data.edges.forEach(([tail, head], k) => {
  readBy[tail].push(k);
  reads[head].push(k);
});

const offset = svg.querySelector(".graph").getCTM(); // from the coordinates of shapes to those of the picture
const boxOf = (element) => { // in the picture, whatever its scale and place
  const box = element.getBBox();
  const [left, top] = [offset.a * box.x + offset.e, offset.d * box.y + offset.f];
  const [wide, high] = [box.width, box.height];
  return { left, top, right: left + wide, bottom: top + high, cx: left + wide / 2, cy: top + high / 2 };
};
const boxes = nodes.map(boxOf);

// ------------------------------------------------------------------------ long pictures: only what is near is painted

const SLICE = 1500; // width of the slices that come and go as a whole
const slices = []; // groups of shapes: where they belong, and the left and right end of each

function slice() { // frames stay below edges, and edges below nodes
  const graph = svg.querySelector(".graph");
  const shapes = [...graph.children].filter((child) => child.id);
  const measured = shapes.map(boxOf); // all of them before the first is moved: moving makes measuring slow
  let [kind, layer] = ["", new Map()];
  for (const [k, shape] of shapes.entries()) {
    if (shape.classList[0] !== kind) [kind, layer] = [shape.classList[0], new Map()];
    const box = measured[k];
    const key = box.right - box.left > SLICE ? "long" : Math.floor(box.cx / SLICE);
    if (!layer.has(key)) {
      const first = layer.values().next().value?.anchor ?? shape;
      const [anchor, group] = [document.createComment(""), document.createElementNS(svg.namespaceURI, "g")];
      graph.insertBefore(anchor, key === "long" ? first : shape);
      layer.set(key, { anchor, group, left: Infinity, right: -Infinity });
      slices.push(layer.get(key));
    }
    const part = layer.get(key);
    [part.left, part.right] = [Math.min(part.left, box.left), Math.max(part.right, box.right)];
    part.group.append(shape);
  }
}

function showNear() { // what is in the document costs time at every change, seen or not: the rest is taken out of it
  const room = view.clientWidth / scale;
  const [left, right] = [-x / scale - room / 2, -x / scale + 1.5 * room];
  for (const { anchor, group, left: from, right: to } of slices) {
    const near = to >= left && from <= right;
    if (near && !group.isConnected) anchor.after(group);
    else if (!near && group.isConnected && !group.contains(document.activeElement)) group.remove();
  }
}

// ------------------------------------------------------------------------------------------------- zoom and movement

const [width, height] = [svg.width.baseVal.value, svg.height.baseVal.value];
const MARGIN = 16; // pixels around the whole picture
const LARGEST = 6; // scale
const LEGIBLE = 0.6; // scale at which text can be read without effort
const READABLE = 0.3; // scale below which text is a smear and is left out
let [x, y, scale] = [0, 0, 1];
let [drawing, settling] = [0, 0]; // the next frame, and the end of a movement

function place(glide = false) {
  stage.classList.toggle("gliding", glide);
  stage.classList.add("moving");
  clearTimeout(settling);
  settling = setTimeout(() => stage.classList.remove("moving"), 200); // then text is drawn sharp again
  drawing ||= requestAnimationFrame(() => {
    drawing = 0;
    stage.style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
    view.classList.toggle("far", scale < READABLE);
    showNear();
  });
}

function fitting() {
  const room = view.getBoundingClientRect();
  return Math.min((room.width - 2 * MARGIN) / width, (room.height - 2 * MARGIN) / height);
}

function fit() { // everything, however small
  const room = view.getBoundingClientRect();
  scale = Math.min(fitting(), 1.6);
  x = (room.width - width * scale) / 2;
  y = (room.height - height * scale) / 2;
  place(true);
}

function start() { // everything if it can be read, else the beginning of time
  fit();
  if (scale >= LEGIBLE) return;
  const room = view.getBoundingClientRect();
  scale = Math.min(1, Math.max(LEGIBLE, (room.height - 2 * MARGIN) / height));
  x = MARGIN;
  y = (room.height - height * scale) / 2;
  place();
}

function zoom(factor, glide = false, at = null) {
  const room = view.getBoundingClientRect();
  const [cx, cy] = at ? [at.clientX - room.left, at.clientY - room.top] : [room.width / 2, room.height / 2];
  const next = Math.min(LARGEST, Math.max(Math.min(fitting(), 1) / 2, scale * factor));
  x = cx - (cx - x) * (next / scale);
  y = cy - (cy - y) * (next / scale);
  scale = next;
  hideTip();
  place(glide);
}

function move(dx, dy, glide = false) {
  [x, y] = [x + dx, y + dy];
  place(glide);
}

view.addEventListener("wheel", (event) => {
  event.preventDefault();
  zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.04 : 0.0016)), false, event);
}, { passive: false });

const fingers = new Map(); // pointers that are down: one moves, two zoom
let dragged = false;

view.addEventListener("pointerdown", (event) => {
  if (event.button) return;
  if (!fingers.size) dragged = false;
  fingers.set(event.pointerId, event);
});

addEventListener("pointermove", (event) => {
  const before = fingers.get(event.pointerId);
  if (!before) return;
  const [dx, dy] = [event.clientX - before.clientX, event.clientY - before.clientY];
  if (!dragged && Math.hypot(dx, dy) < 4) return; // a click of an unsteady hand
  dragged = true;
  view.classList.add("dragged");
  hideTip();
  if (fingers.size === 2) {
    const other = [...fingers.values()].find((finger) => finger.pointerId !== event.pointerId);
    const apart = (finger) => Math.hypot(finger.clientX - other.clientX, finger.clientY - other.clientY);
    zoom(apart(event) / Math.max(1, apart(before)), false, other);
  } else {
    move(dx, dy);
  }
  fingers.set(event.pointerId, event);
});

for (const end of ["pointerup", "pointercancel"]) {
  addEventListener(end, (event) => {
    fingers.delete(event.pointerId);
    if (!fingers.size) view.classList.remove("dragged");
  });
}

// ---------------------------------------------------------------------------------------------- highlights and tips

const IDLE = `${data.about}. Hover over a node, or press ? for the keys.`;
said.textContent = IDLE;
let [shown, pinned, focused] = [null, null, null]; // nodes
let marked = []; // what has a class of the highlight

function reach(start, along, end) { // the nodes and edges that a walk from a node comes to
  const [seen, walked] = [new Set([start]), new Set()];
  for (const node of seen) { // which grows meanwhile
    for (const k of along[node]) {
      walked.add(k);
      seen.add(data.edges[k][end]);
    }
  }
  seen.delete(start);
  return [seen, walked];
}

function highlight(node) {
  if (node === shown) return;
  shown = node;
  for (const element of marked) element.classList.remove("up", "down", "me");
  marked = [];
  svg.classList.toggle("lit", node !== null);
  said.textContent = IDLE;
  if (node === null) return;
  const mark = (element, word) => {
    if (!element) return;
    element.classList.add(word);
    marked.push(element);
  };
  const [above, below] = [reach(node, reads, 0), reach(node, readBy, 1)];
  for (const [[seen, walked], word] of [[above, "up"], [below, "down"]]) {
    for (const k of seen) mark(nodes[k], word);
    for (const k of walked) mark(edges[k], word);
  }
  mark(nodes[node], "me");
  said.textContent = `${told(node)}: computed from ${above[0].size}, read on the way to ${below[0].size}`;
}

function told(node) {
  const [label, facts] = data.nodes[node];
  return [label.replaceAll("\n", " "), ...facts.map(([name, value]) => `${name} ${value}`)].join(", ");
}

function showTip(node, pointer = -Infinity) { // below or above the node; at a wide one, near the pointer
  const [label, facts] = data.nodes[node];
  const title = Object.assign(document.createElement("b"), { textContent: label.replaceAll("\n", " ") });
  const list = document.createElement("dl");
  for (const [name, value] of facts) {
    list.append(Object.assign(document.createElement("dt"), { textContent: name }));
    list.append(Object.assign(document.createElement("dd"), { textContent: value }));
  }
  tip.replaceChildren(title, list);
  tip.hidden = false;
  const [box, room, own] = [boxes[node], view.getBoundingClientRect(), tip.getBoundingClientRect()];
  const [top, bottom] = [room.top + y + scale * box.top - 8, room.top + y + scale * box.bottom + 8];
  const below = bottom + own.height < innerHeight;
  const left = Math.max(4, room.left + x + scale * box.left, pointer - 80);
  tip.style.left = `${Math.min(left, innerWidth - own.width - 4)}px`;
  tip.style.top = `${below ? bottom : Math.max(4, top - own.height)}px`;
}

function hideTip() {
  tip.hidden = true;
}

const numberOf = (target) => {
  const group = target.closest?.(".node");
  return group ? Number(group.id.slice(1)) : null;
};

let hovering = 0;
svg.addEventListener("pointerover", (event) => {
  if (fingers.size) return;
  const node = numberOf(event.target);
  clearTimeout(hovering);
  hovering = setTimeout(() => { // a pointer that only passes over lights nothing
    if (node === null) hideTip();
    else showTip(node, event.clientX);
    if (pinned === null) highlight(node ?? focused);
  }, 60);
});
view.addEventListener("pointerleave", () => {
  clearTimeout(hovering);
  hideTip();
  if (pinned === null) highlight(focused);
});
view.addEventListener("click", (event) => {
  if (dragged) return;
  const node = numberOf(event.target);
  if (node === null) release();
  else pin(node);
});

function pin(node) {
  pinned = pinned === node ? null : node;
  highlight(pinned ?? node);
}

function release() {
  pinned = null;
  hideTip();
  highlight(null);
}

// --------------------------------------------------------------------------------------------------------- keyboard

nodes.forEach((element, k) => {
  element.setAttribute("tabindex", "-1");
  element.setAttribute("role", "img");
  element.setAttribute("aria-label", told(k));
});

function visit(node) { // bring it into view, and focus it
  const [box, room] = [boxes[node], view.getBoundingClientRect()];
  const [cx, cy] = [x + scale * box.cx, y + scale * box.cy];
  const outside = (p, length) => p < 0.1 * length || p > 0.9 * length;
  if (scale < READABLE) zoom(1 / scale, true, { clientX: cx + room.left, clientY: cy + room.top });
  if (outside(cx, room.width) || outside(cy, room.height)) move(room.width / 2 - cx, room.height / 2 - cy, true);
  showNear(); // what is hidden can't be focused
  nodes[node].focus({ preventScroll: true });
  showTip(node);
}

stage.addEventListener("focusin", (event) => {
  focused = numberOf(event.target);
  if (pinned === null) highlight(focused);
});
stage.addEventListener("focusout", () => {
  focused = null;
  hideTip();
  if (pinned === null) highlight(null);
});

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const around = (node) => [...reads[node].map((e) => data.edges[e][0]), ...readBy[node].map((e) => data.edges[e][1])];

function toward(node, [dx, dy]) { // the nearest neighbour in a direction, else one of their neighbours; or null
  const { cx, cy } = boxes[node];
  for (const candidates of [around(node), around(node).flatMap(around)]) {
    let [best, least] = [null, Infinity];
    for (const k of candidates) {
      const to = boxes[k];
      const ahead = (to.cx - cx) * dx + (to.cy - cy) * dy;
      const aside = Math.abs((to.cx - cx) * dy) + Math.abs((to.cy - cy) * dx);
      if (ahead > 1 && ahead >= aside / 2 && ahead + 2 * aside < least) [best, least] = [k, ahead + 2 * aside];
    }
    if (best !== null) return best;
  }
  return null;
}

function next(node, back) { // along an edge to the loss, or back to the inputs; undefined at the end
  const along = back ? reads[node].map((e) => data.edges[e][0]) : readBy[node].map((e) => data.edges[e][1]);
  return along[0];
}

view.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const node = numberOf(document.activeElement);
  if (event.key === "Tab") {
    const to = node === null ? (event.shiftKey ? undefined : 0) : next(node, event.shiftKey);
    if (to === undefined) return; // the focus leaves the picture
    visit(to);
  } else if (event.key in ARROWS) {
    const [dx, dy] = ARROWS[event.key];
    if (node === null || event.shiftKey) move(-80 * dx, -80 * dy);
    else {
      const to = toward(node, [dx, dy]);
      if (to !== null) visit(to);
    }
  } else if (node !== null && (event.key === "Enter" || event.key === " ")) pin(node);
  else return;
  event.preventDefault();
});

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") {
    toggleKeys(false);
    clearSearch();
    release();
    view.focus();
  } else if (document.activeElement !== search) {
    const action = { "+": () => zoom(1.25, true), "=": () => zoom(1.25, true), "-": () => zoom(0.8, true), 0: fit,
      "/": () => search.select(), "?": () => toggleKeys(keys.hidden) }[event.key];
    if (!action) return;
    action();
    event.preventDefault();
  }
});

// ----------------------------------------------------------------------------------------------- search and buttons

const texts = data.nodes.map((_, k) => told(k).toLocaleLowerCase());
let [matches, at] = [[], -1];

function clearSearch() {
  for (const k of matches) nodes[k].classList.remove("match");
  [matches, at] = [[], -1];
  search.value = count.textContent = "";
}

search.addEventListener("input", () => {
  const wanted = search.value;
  clearSearch();
  search.value = wanted;
  const words = wanted.toLocaleLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return;
  matches = texts.flatMap((text, k) => (words.every((word) => text.includes(word)) ? [k] : []));
  for (const k of matches) nodes[k].classList.add("match");
  count.textContent = matches.length ? `${matches.length} found` : "none found";
});
search.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !matches.length) return;
  at = (at + (event.shiftKey ? matches.length - 1 : 1)) % matches.length;
  count.textContent = `${at + 1} of ${matches.length}`;
  visit(matches[at]);
  search.focus({ preventScroll: true }); // so that Enter goes on
  highlight(matches[at]);
  showTip(matches[at]);
});

function toggleKeys(open) {
  keys.hidden = !open;
  document.getElementById("help").setAttribute("aria-expanded", String(open));
}

const dark = matchMedia("(prefers-color-scheme: dark)");
let chosen = null; // the theme, if the reader switched; else the system's
const paint = () => { document.documentElement.dataset.theme = chosen ?? (dark.matches ? "dark" : "light"); };
dark.addEventListener("change", paint);
paint();

const BUTTONS = {
  in: () => zoom(1.25, true),
  out: () => zoom(0.8, true),
  fit,
  help: () => toggleKeys(keys.hidden),
  theme: () => {
    chosen = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    paint();
  },
};
for (const [id, action] of Object.entries(BUTTONS)) document.getElementById(id).addEventListener("click", action);
addEventListener("resize", () => place());
slice();
start();
