// The live heat map: which experts read the selected token, in every layer.
// @ts-check

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
  const size = nExperts <= 48 ? 16 : 7;

  const strip = makeStrip(model, "tokens; left and right move, a click holds");
  strip.element.style.cssText += "max-height:12em;overflow-y:auto;margin-bottom:0.6em;padding:2px";
  const frame = "max-width:100%;border:1px solid rgba(128,128,128,0.5)";
  const canvas = /** @type {HTMLCanvasElement} */ (make("canvas", frame));
  canvas.width = nExperts * size;
  canvas.height = nLayers * size;
  canvas.setAttribute("role", "img");
  const facts = make("div", QUIET);
  facts.setAttribute("aria-live", "polite");
  const root = makeRoot(model, strip.element, canvas, facts);
  el.append(root);

  let at = 0;
  function paint() {
    at = strip.mark();
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    context.clearRect(0, 0, canvas.width, canvas.height);
    ids[at].forEach((row, layer) =>
      row.forEach((expert, choice) => {
        context.fillStyle = `rgba(${ORANGE},${Math.max(weights[at][layer][choice], 0.08)})`;
        context.fillRect(expert * size, layer * size, size - 1, size - 1);
      }),
    );
    const chosen = ids[at].map((row, layer) => `layer ${layer}: ${row.join(", ")}`).join("; ");
    canvas.setAttribute("aria-label", `experts of token ${at}; ${chosen}`);
    facts.textContent = `token ${at}; layers 0 to ${nLayers - 1} downward, experts 0 to ${nExperts - 1} across`;
  }

  canvas.addEventListener("mousemove", (event) => {
    const scale = canvas.width / canvas.getBoundingClientRect().width;
    const expert = Math.floor((event.offsetX * scale) / size);
    const layer = Math.floor((event.offsetY * scale) / size);
    const choice = ids[at][layer]?.indexOf(expert) ?? -1;
    const share = choice < 0 ? "not asked" : `weight ${weights[at][layer][choice].toFixed(3)}`;
    facts.textContent = `token ${at}; layer ${layer}, expert ${expert}: ${share}`;
  });
  return follow(model, root, { selected: paint });
}

export default { render };
