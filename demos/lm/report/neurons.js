// A text coloured by one unit. Only the rows in sight are in the document, so that the length of the text costs nothing.
{
  const told = data["neurons.js"];
  const { signs, names, end } = told;
  const ids = unpacked(told.ids, Uint16Array);
  const guesses = unpacked(told.guesses, Uint16Array);
  const chances = unpacked(told.chances, Uint8Array);
  const [L, H, N] = [told.levels.length, told.levels[0].length, ids.length];
  const K = guesses.length / N; // guesses for each character
  const LEVELS = 127; // of colour on each side of the mean
  const LINE = 20; // pixels, as in the style
  const MORE = 4; // rows above and below those in sight
  const view = element("text");
  view.innerHTML = '<div></div><div class="rows"></div>';
  const [space, rows] = view.children;
  const spans = signs.map((sign) => `<b>${escaped(sign)}</b>`);
  const below = signs.map((sign) => `>${escaped(sign)}</b>`);
  const shades = Array.from({ length: 256 }, (_, chance) =>
    `<b style="background:${shade("strong", chance / 255)}"`);
  const shown = new Map(); // the rows in the document, by number

  let [layer, unit] = told.first;
  let levels = null; // of the unit that is shown
  let starts = []; // where each row begins; one more for the end
  let columns = 0;
  let open = false; // whether the guesses are shown
  let picked = -1;
  let drawing = 0;

  function wrap() { // again when the width changes
    const probe = document.createElement("b");
    probe.textContent = "0".repeat(100);
    rows.append(probe);
    const fitting = Math.max(20, Math.floor((view.clientWidth - 24) / (probe.getBoundingClientRect().width / 100)));
    probe.remove();
    if (fitting === columns) return;
    const top = starts[Math.floor(view.scrollTop / height())] ?? 0;
    columns = fitting;
    starts = [0];
    for (let k = 0, from = 0; k < N; k++) {
      if (ids[k] === end || k - from === columns - 1) starts.push(from = k + 1);
    }
    if (starts.at(-1) < N) starts.push(N);
    size(top);
  }

  const height = () => LINE * (open ? K + 1.5 : 1);
  const rowOf = (k) => {
    let [low, high] = [0, starts.length - 1];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (starts[middle] <= k) low = middle; else high = middle;
    }
    return low;
  };

  function size(top) { // character `top` stays in the first row
    forget();
    space.style.height = `${(starts.length - 1) * height() + 16}px`;
    view.scrollTop = rowOf(top) * height();
    draw();
  }

  const colour = (level) => shade(level < 0 ? "negative" : "positive", Math.abs(level) / LEVELS);
  const colours = Array.from({ length: 256 }, (_, k) => colour(k < 128 ? k : k - 256)); // by the byte

  function row(r) { // its text, not yet coloured by the unit
    const [from, to] = [starts[r], starts[r + 1]];
    let html = "<div>";
    for (let k = from; k < to; k++) html += spans[ids[k]];
    html += "</div>";
    for (let g = 0; open && g < K; g++) {
      html += '<div class="guess">';
      for (let k = from; k < to; k++) html += shades[chances[K * k + g]] + below[guesses[K * k + g]];
      html += "</div>";
    }
    const made = document.createElement("div");
    made.style.top = `${r * height()}px`;
    made.innerHTML = html;
    return made;
  }

  function tint(r) {
    let k = starts[r];
    for (const cell of shown.get(r).firstChild.children) {
      cell.style.background = colours[levels[k] & 255];
      cell.className = k === picked ? "picked" : "";
      k++;
    }
  }

  function render() { // rows that stay in sight stay in the document
    drawing = 0;
    const first = Math.max(0, Math.floor(view.scrollTop / height()) - MORE);
    const last = Math.min(starts.length - 1, Math.ceil((view.scrollTop + view.clientHeight) / height()) + MORE);
    for (const [r, made] of shown) {
      if (r >= first && r < last) continue;
      made.remove();
      shown.delete(r);
    }
    for (let r = last - 1, next = null; r >= first; r--) {
      if (!shown.has(r)) {
        shown.set(r, row(r));
        tint(r);
        rows.insertBefore(shown.get(r), next);
      }
      next = shown.get(r);
    }
  }
  const forget = () => {
    rows.replaceChildren();
    shown.clear();
  };
  const draw = () => { drawing ||= requestAnimationFrame(render); };

  function state(k) {
    const value = told.reach[layer][unit] * Math.abs(levels[k]) / LEVELS;
    const most = Math.abs(levels[k]) === LEVELS ? " or more" : "";
    return `state ${value.toPrecision(3)}${most} ${levels[k] < 0 ? "below" : "above"} its mean`;
  }

  function say() {
    let text = `Layer ${layer}, unit ${unit}.`;
    if (picked >= 0) {
      const list = Array.from({ length: K }, (_, g) =>
        `${names[guesses[K * picked + g]]} ${Math.round(chances[K * picked + g] / 2.55)} %`);
      text += ` Character ${picked.toLocaleString("en")}, ${names[ids[picked]]}: ${state(picked)}; ` +
        `expected next: ${list.join(", ")}.`;
    }
    element("told").textContent = text;
  }

  function show(l, u) {
    [layer, unit] = [(l + L) % L, (u + H) % H];
    levels = unpacked(told.levels[layer][unit], Int8Array);
    for (const r of shown.keys()) tint(r);
    [element("layer").value, element("unit").value] = [layer, unit];
    say();
  }

  function pick(k) {
    picked = k;
    const r = rowOf(k);
    rows.querySelector(".picked")?.classList.remove("picked");
    shown.get(r)?.firstChild.children[k - starts[r]].classList.add("picked");
    say();
  }

  function walk(step) { // to the character before or after the picked one; from nowhere to the first in sight
    const top = Math.ceil(view.scrollTop / height());
    pick(picked < 0 ? starts[Math.min(top, starts.length - 2)] : Math.min(Math.max(picked + step, 0), N - 1));
    const above = rowOf(picked) * height();
    view.scrollTop = Math.min(Math.max(view.scrollTop, above + height() + 16 - view.clientHeight), above);
  }

  function toggle() {
    const top = starts[Math.floor(view.scrollTop / height())];
    open = !open;
    element("guesses").setAttribute("aria-pressed", String(open));
    size(top);
  }

  const typed = (id, most) => Math.min(Math.max(Math.trunc(Number(element(id).value)) || 0, 0), most);
  for (const id of ["layer", "unit"]) {
    element(id).addEventListener("change", () => show(typed("layer", L - 1), typed("unit", H - 1)));
  }
  element("guesses").addEventListener("click", toggle);
  view.addEventListener("scroll", draw);
  view.addEventListener("pointerover", (event) => {
    const cell = event.target.closest("b");
    if (!cell || cell.parentNode.className) return;
    const [r] = [...shown].find(([, made]) => made.firstChild === cell.parentNode);
    pick(starts[r] + [...cell.parentNode.children].indexOf(cell));
  });
  const section = view.closest("section");
  const keys = {
    ArrowLeft: () => show(layer, unit - 1),
    ArrowRight: () => show(layer, unit + 1),
    l: () => show(layer + 1, unit),
    g: toggle,
  };
  const keysOfText = { ArrowUp: () => walk(-1), ArrowDown: () => walk(1) };
  addEventListener("keydown", (event) => {
    const where = event.target;
    if (!plain(event) || where.tagName === "INPUT" || !(where === document.body || section.contains(where))) return;
    const act = keys[event.key] ?? (where === view ? keysOfText[event.key] : null);
    if (!act) return;
    act();
    event.preventDefault();
  });
  for (const button of document.querySelectorAll("[data-unit]")) {
    button.addEventListener("click", () => show(...button.dataset.unit.split(",").map(Number)));
  }
  show(layer, unit);
  wrap();
  new ResizeObserver(wrap).observe(view);
}
