// The live view of an answer's sources: the shares of attention that its tokens gave to the parts of the prompt.
// @ts-check

const SOURCES_STYLE = `
.ossnb-view label { display: inline-flex; align-items: baseline; gap: 0.4em; }
.ossnb-sideways { overflow-x: auto; }`;

/**
 * Make a choice of all of some things or one of them.
 * @param {string} label
 * @param {string} all
 * @param {(number | string)[]} names
 */
function makeChoice(label, all, names) {
  const select = /** @type {HTMLSelectElement} */ (make("select", ""));
  [all, ...names].forEach((name, i) => select.append(new Option(String(name), String(i - 1))));
  return { select, element: make("label", "", label, select) };
}

/**
 * @param {{model: Model, el: HTMLElement}} context
 * @returns {() => void} what takes the view away
 */
function render({ model, el }) {
  /** @type {string[]} */
  const names = model.get("names");
  /** @type {number[]} */
  const sizes = model.get("sizes");
  /** @type {number[]} */
  const places = model.get("places");
  /** @type {number[]} */
  const layers = model.get("layers");
  /** @type {number} */
  const nHeads = model.get("n_heads");
  /** @type {string[]} */
  const tokens = model.get("tokens");
  /** @type {DataView[]} */
  const [shares, each, heat] = ["shares", "each", "heat"].map((name) => model.get(name));
  const number = (/** @type {DataView} */ bytes, /** @type {number} */ at) => bytes.getFloat32(4 * at, true);
  let isWhole = true; // all tokens of the answer; else the selected one

  const layer = makeChoice("layer", "all", layers);
  const head = makeChoice("head", "all", [...Array(nHeads).keys()]);
  const whole = make("button", "", "Whole answer");
  const prompt = makeTokens(model.get("prompt"), model.get("prompt_special"));
  const nBefore = model.get("n_before");
  const before = nBefore ? [make("i", "", `${nBefore.toLocaleString("en")} tokens before these are not shown … `)] : [];
  const area = makeReachable(make("div", "ossnb-text ossnb-scroll", ...before, ...prompt.nodes), "the prompt");
  area.dir = "auto";
  const strip = makeStrip(model, "tokens of the answer; left and right choose one, a click holds it");
  const facts = makeFacts();
  const ramp = makeRamp(SHARE, "", "");
  const list = make("tbody", "");
  const table = makeReachable(make("div", "ossnb-sideways", make("table", "ossnb-rows", list)), "shares");
  const root = makeRoot(
    model,
    make("style", "", SOURCES_STYLE),
    make("div", "ossnb-quiet", model.get("label")),
    make("div", "ossnb-bar", ...(layers.length ? [layer.element, head.element] : []), whole, ...makeSwitch(
      model, model.get("special").length + model.get("prompt_special").length)),
    make("div", "ossnb-quiet", "the answer"),
    strip.element,
    facts,
    table,
    make("div", "ossnb-quiet", "the prompt"),
    area,
    make("div", "ossnb-quiet", ramp.element, "of the attention, for each token"),
    make("div", "ossnb-quiet", model.get("caveat")),
  );
  el.append(root);

  /** The shares of all names, as chosen; null stands for all layers, or for all heads. */
  function chosen() {
    const [l, h] = [layer, head].map(({ select }) => Number(select.value));
    const at = strip.mark();
    const rows = isWhole ? [...tokens.keys()] : [at];
    const sums = names.map(() => 0);
    const add = (/** @type {DataView} */ bytes, /** @type {number} */ row) =>
      names.forEach((_, i) => (sums[i] += number(bytes, row * names.length + i)));
    if (l < 0 && h < 0) {
      rows.forEach((row) => add(shares, row));
      return sums.map((sum) => sum / rows.length);
    }
    const ls = l < 0 ? [...layers.keys()] : [l];
    const hs = h < 0 ? [...Array(nHeads).keys()] : [h];
    for (const a of ls) for (const b of hs) for (const row of rows) add(each, (a * nHeads + b) * tokens.length + row);
    return sums.map((sum) => sum / (ls.length * hs.length * rows.length));
  }
  /** How much each token of the prompt has; of one token or head, its part's share is spread evenly. @param {number[]} found */
  function densities(found) {
    const isMean = isWhole && Number(layer.select.value) < 0 && Number(head.select.value) < 0;
    return places.map((place, i) => (isMean ? number(heat, i) : found[place] / Math.max(sizes[place], 1)));
  }
  function paint() {
    const found = chosen();
    const each = densities(found);
    const largest = Math.max(1e-9, ...each);
    prompt.spans.forEach((span, i) => {
      span.style.background = shade(SHARE, Math.sqrt(each[i] / largest)); // small shares must be seen too
      span.title = `${nBefore + i}, ${names[places[i]]}: ${percent(each[i])}`;
    });
    ramp.paint("0 %", percent(largest), percent(largest / 4));
    whole.setAttribute("aria-pressed", String(isWhole));
    if (isWhole) strip.element.querySelector(".ossnb-chosen")?.classList.remove("ossnb-chosen");
    const at = Math.min(Math.max(model.get("selected"), 0), tokens.length - 1);
    const sink = Math.max(0, 1 - found.reduce((sum, share) => sum + share, 0));
    const most = found.indexOf(Math.max(...found));
    const who = isWhole ? "the whole answer" : `token ${at} ${quoted(tokens[at])}`;
    facts.textContent = `${who} looked most at ${names[most]}: ${percent(found[most])}`;
    const rows = names.map((name, i) => makeRow(sizes[i].toLocaleString("en"), name, found[i]));
    const heads = ["tokens", "part", "of the attention"].map((text) => make("th", "", text));
    heads[1].style.textAlign = "left";
    list.replaceChildren(make("tr", "", ...heads), ...rows, makeRow("", "no token (sinks)", sink));
  }
  /** @param {string} size @param {string} name @param {number} share */
  function makeRow(size, name, share) {
    const bar = make("td", "", makeBar(SHARE, share), make("span", "ossnb-number", percent(share)));
    return make("tr", "", make("td", "", size), make("td", "ossnb-mono", name), bar);
  }
  function selectToken() {
    isWhole = false;
    paint();
  }
  layer.select.addEventListener("change", paint);
  head.select.addEventListener("change", paint);
  strip.element.addEventListener("click", selectToken); // also on the token that was selected before
  whole.addEventListener("click", () => {
    isWhole = true;
    paint();
  });
  const leave = follow(model, root, { selected: selectToken });
  isWhole = true;
  paint();
  return leave;
}

export default { render };
