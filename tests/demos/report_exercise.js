// Handles the page of a run as a reader would, and writes down in #outcome what is to be seen.
{
const view = element("text"), passage = element("passage"), says = element("told"), found = { errors };
const press = (where, key, more = {}) => // whether the page took the key
  !where.dispatchEvent(new KeyboardEvent("keydown", { key, ...more, bubbles: true, cancelable: true }));
const rest = () => new Promise((done) => setTimeout(done, 100));
const cells = (where) => [...where.querySelectorAll("b")].map((b) => [b.textContent, getComputedStyle(b).background]);
const place = () => [Number(element("layer").value), Number(element("unit").value)];
const look = () => ({ place: place(), row: cells(view.querySelector(".rows > div > div")), told: says.textContent });

// ------------------------------------------------------------------------------------------------------------ contrast

const channels = (colour) => {
  const [red, green, blue, alpha = 1] = colour.match(/[\d.]+/g).map(Number);
  return { rgb: [red, green, blue], alpha };
};
const over = ({ rgb, alpha }, below) => rgb.map((value, k) => alpha * value + (1 - alpha) * below[k]);
const ground = (node) =>
  node ? over(channels(getComputedStyle(node).backgroundColor), ground(node.parentElement)) : [255, 255, 255];
const light = (rgb) => rgb
  .map((value) => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
  .reduce((sum, value, k) => sum + [0.2126, 0.7152, 0.0722][k] * value, 0);
function contrast(node) {
  const below = ground(node), style = getComputedStyle(node);
  let opacity = 1;
  for (let up = node; up; up = up.parentElement) opacity *= getComputedStyle(up).opacity;
  const { rgb, alpha } = channels(node instanceof SVGElement ? style.fill : style.color);
  const [high, low] = [light(over({ rgb, alpha: alpha * opacity }, below)), light(below)].sort((a, b) => b - a);
  return (high + 0.05) / (low + 0.05);
}
const written = (node) => [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
function faintest() { // of all words in sight, those in the texts on the strongest colours that there are
  let worst = { ratio: Infinity };
  let looked = 0;
  for (const node of document.querySelectorAll("body *")) {
    if (!written(node) || !node.getClientRects().length || node.closest(".rows > div:not(:first-child)")) continue;
    const before = node.style.background;
    for (const name of node.closest(".text") ? ["positive", "negative", "strong"] : [""]) {
      if (name && !node.matches(".later")) node.style.background = `rgb(var(--${name}) / var(--most))`;
      const ratio = contrast(node);
      looked++;
      if (ratio < worst.ratio) worst = { ratio, where: `${node.tagName}.${node.className} on ${name}: ${node.textContent}` };
    }
    node.style.background = before;
  }
  return { ...worst, looked };
}

// ------------------------------------------------------------------------------------------------- print, narrow pages

const have = (media, now) => { // rules of `media` hold from now on, if `now` is "all", or never
  for (const rule of document.styleSheets[0].cssRules) {
    if (rule.media?.mediaText === media) rule.media.mediaText = now;
  }
};
const shown = (where) => document.querySelector(where).getClientRects().length > 0;
function narrow() {
  have("(max-width: 900px)", "all");
  document.body.style.width = "400px";
  const chart = document.querySelector("svg").getBoundingClientRect();
  return {
    nav: shown("nav a"),
    letters: 12 * chart.width / 900,
    sticksOut: [...document.querySelectorAll("main > *, section > *, figure, header > *")]
      .filter((node) => node.getBoundingClientRect().right > 400 || node.matches("figure") && node.scrollWidth > 400)
      .map((node) => node.outerHTML.slice(0, 60)),
  };
}
function printed() {
  have("screen", "not all");
  have("print", "all");
  const style = (where) => getComputedStyle(document.querySelector(where));
  return {
    dark: document.documentElement.dataset.theme,
    colours: [style("body").color, style("body").backgroundColor],
    kept: [".rows b", ".guess b", "#passage b", ".legend i"].map((where) => style(where).printColorAdjust),
    headings: ["h2", "h3"].map((where) => style(where).breakAfter),
    shown: ["nav", ".controls", "h1"].map(shown),
  };
}

// ----------------------------------------------------------------------------------------------------------- the round

(async () => {
  await rest();
  found.first = look();
  press(document.body, "ArrowRight");
  found.unit = look();
  press(view, "l");
  found.layer = look();

  getSelection().selectAllChildren(says);
  found.left = [press(document.body, "ArrowRight"), press(passage, "ArrowLeft")]; // for the browser
  getSelection().removeAllRanges();
  for (const where of [document.querySelector("nav"), element("unit"), passage.closest("section")]) {
    found.left.push(press(where, "ArrowRight"), press(where, "g"));
  }
  for (const more of [{ shiftKey: true }, { ctrlKey: true }, { altKey: true }, { metaKey: true }]) {
    found.left.push(press(document.body, "ArrowRight", more), press(passage, "ArrowLeft", more));
  }
  found.left.push(press(document.body, "ArrowDown"));
  found.still = look();

  const type = (layer, unit) => {
    [element("layer").value, element("unit").value] = [layer, unit];
    element("unit").dispatchEvent(new Event("change"));
    return place();
  };
  found.typed = [type("99", "99"), type("-3", "-1"), type("", "1.7"), type(...found.layer.place)];

  view.querySelector("b").dispatchEvent(new Event("pointerover", { bubbles: true }));
  found.picked = look();
  found.walked = ["ArrowDown", "ArrowDown", "ArrowUp"].map((key) => (press(view, key), says.textContent));
  found.outlined = [...view.querySelectorAll(".picked")].map((cell) => [...cell.parentNode.children].indexOf(cell));
  found.places = [...view.querySelectorAll(".rows > div:first-child b")].map((cell) => cell.getBoundingClientRect().left);
  found.lines = [...passage.querySelectorAll("b")].map((cell) => {
    const { left, top } = cell.getBoundingClientRect();
    return [top, left];
  });
  press(document.body, "g");
  await rest();
  found.guesses = [...view.querySelectorAll(".rows > div:first-child > .guess")].map((line) => line.textContent);
  passage.dispatchEvent(new Event("pointerover"));
  press(passage, "ArrowLeft");
  found.passage = cells(passage);
  found.lags = element("lags").textContent;
  found.faintest = [faintest(), (element("theme").click(), faintest())];
  if (document.documentElement.dataset.theme !== "dark") element("theme").click();
  const ground = () => getComputedStyle(document.body).backgroundColor;
  found.grounds = [ground(), (element("theme").click(), ground())];
  element("theme").click();

  view.scrollTop = 1e9;
  await rest();
  found.end = [...view.querySelectorAll(".rows > div > div:first-child")].map((line) => line.textContent).join("");
  found.narrow = narrow();
  found.printed = printed();
  found.requests = performance.getEntriesByType("resource").map((entry) => entry.name);
  element("outcome").textContent = JSON.stringify(found);
})();
}
