// The live map: which experts read the selected token, in every layer.
// @ts-check

const EXPERTS_STYLE = `
.ossnb-map { border-collapse: separate; border-spacing: 1px; table-layout: fixed; font-size: 87%; }
.ossnb-map th { font-weight: normal; padding: 0; text-align: center; white-space: nowrap; }
.ossnb-map th:first-child { width: 5em; text-align: left; }
.ossnb-map td { padding: 0; height: 1.7em; text-align: center;
  box-shadow: inset 0 0 0 1px rgba(128,128,128,0.2); }
.ossnb-map .ossnb-chosen { outline-offset: -1px; }
.ossnb-sideways { overflow-x: auto; padding: 3px; }`;

/**
 * Make the table of layers and experts; its cells are [layer][expert].
 * @param {number} nLayers
 * @param {number} nExperts
 */
function makeMap(nLayers, nExperts) {
  const isWide = nExperts <= 16; // then a cell has room for its number
  const step = isWide ? 1 : nExperts <= 48 ? 4 : 16;
  const names = make("tr", "", make("th", "", "expert"));
  for (let expert = 0; expert < nExperts; expert += step) {
    const name = /** @type {HTMLTableCellElement} */ (make("th", "", `${expert}`));
    name.colSpan = Math.min(step, nExperts - expert);
    if (!isWide) name.style.textAlign = "left";
    name.scope = "col";
    names.append(name);
  }
  const cells = Array.from({ length: nLayers }, () => Array.from({ length: nExperts }, () => make("td", "")));
  const rows = cells.map((row, layer) => {
    const name = /** @type {HTMLTableCellElement} */ (make("th", "", `layer ${layer}`));
    name.scope = "row";
    row.forEach((cell, expert) => (cell.dataset.place = `${layer},${expert}`));
    return make("tr", "", name, ...row);
  });
  const element = make("table", "ossnb-map", make("tbody", "", names, ...rows));
  const least = isWide ? 4.4 : nExperts <= 48 ? 1 : 0.4; // em, of a cell
  element.style.cssText = `width:100%;min-width:${5 + nExperts * Math.min(least, 2.6)}em;`;
  element.style.maxWidth = `${5 + nExperts * (isWide ? 4.4 : 1.9)}em`;
  return { element, cells, isWide };
}

/**
 * @param {{model: Model, el: HTMLElement}} context
 * @returns {() => void} what takes the view away
 */
function render({ model, el }) {
  /** @type {number[][][]} [token][layer][choice] */
  const ids = model.get("ids");
  /** @type {number[][][]} */
  const weights = model.get("weights");
  /** @type {number} */
  const nExperts = model.get("n_experts");
  const nLayers = ids[0].length;

  const strip = makeStrip(model, "tokens; left and right move, a click holds");
  const { element, cells, isWide } = makeMap(nLayers, nExperts);
  const area = make("div", "ossnb-sideways", element);
  makeReachable(area, "map of experts; the arrow keys go from cell to cell");
  const facts = makeFacts();
  const root = makeRoot(
    model,
    make("style", "", EXPERTS_STYLE),
    make("div", "ossnb-bar", ...makeSwitch(model)),
    strip.element,
    area,
    make("div", "ossnb-quiet", makeRamp(SHARE, "0 %", "100 %").element, "the expert's weight in its layer"),
    facts,
  );
  el.append(root);

  let at = 0;
  let pointed = [-1, 0]; // layer and expert
  function paint() {
    at = strip.mark();
    cells.forEach((row, layer) =>
      row.forEach((cell, expert) => {
        const choice = ids[at][layer].indexOf(expert);
        const share = choice < 0 ? 0 : weights[at][layer][choice];
        cell.style.background = choice < 0 ? "" : shade(SHARE, Math.max(share, 0.12));
        cell.title = tell(layer, expert);
        if (isWide) cell.textContent = choice < 0 ? "" : `${Math.round(100 * share)} %`;
      }),
    );
    paintFacts();
  }
  /** @param {number} layer @param {number} expert */
  function tell(layer, expert) {
    const choice = ids[at][layer].indexOf(expert);
    return `layer ${layer}, expert ${expert}: ${choice < 0 ? "not asked" : percent(weights[at][layer][choice])}`;
  }
  function paintFacts() {
    const [layer, expert] = pointed;
    const more = layer < 0 ? "point at a cell, or go there by keys, for its value" : tell(layer, expert);
    facts.textContent = `token ${at} ${quoted(model.get("tokens")[at])}; ${more}`;
  }
  /** @param {number} layer @param {number} expert */
  function point(layer, expert) {
    if (pointed[0] >= 0) cells[pointed[0]][pointed[1]].classList.remove("ossnb-chosen");
    pointed = [Math.min(Math.max(layer, 0), nLayers - 1), Math.min(Math.max(expert, 0), nExperts - 1)];
    const cell = cells[pointed[0]][pointed[1]];
    cell.classList.add("ossnb-chosen");
    paintFacts();
    return cell;
  }

  element.addEventListener("mouseover", (event) => {
    const { place } = /** @type {HTMLElement} */ (event.target).dataset;
    if (place) point(...(/** @type {[number, number]} */ (place.split(",").map(Number))));
  });
  area.addEventListener("keydown", (event) => {
    const step = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
    if (!step) return;
    point(pointed[0] + step[0], pointed[1] + step[1]).scrollIntoView({ block: "nearest", inline: "nearest" });
    event.preventDefault();
    event.stopPropagation();
  });
  return follow(model, root, { selected: paint });
}

export default { render };
