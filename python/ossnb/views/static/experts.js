// The live heat map: which experts read the selected token, in every layer. Text enters as text nodes only.
// @ts-check

/**
 * @typedef {{get(name: string): any, set(name: string, value: any): void, save_changes(): void,
 *   on(name: string, callback: () => void): void, off(name: string, callback: () => void): void}} Model
 */

const MARK = "2px solid var(--jp-brand-color1, #1976d2)";

/**
 * Make an element; strings among its children become text nodes.
 * @param {string} tag
 * @param {string} style
 * @param {(Node | string)[]} children
 * @returns {HTMLElement}
 */
function make(tag, style, ...children) {
  const element = document.createElement(tag);
  element.style.cssText = style;
  element.append(...children);
  return element;
}

/** A token that only breaks the line would have nothing to point at. @param {string} text */
const shown = (text) => (text.trim() ? text : text.replaceAll("\n", "⏎\n"));

/**
 * @param {{model: Model, el: HTMLElement}} context
 * @returns {() => void} what takes the view away
 */
function render({ model, el }) {
  /** @type {string[]} */
  const tokens = model.get("tokens");
  /** @type {number[][][]} [token][layer][choice] */
  const ids = model.get("ids");
  /** @type {number[][][]} */
  const weights = model.get("weights");
  /** @type {number} */
  const nExperts = model.get("n_experts");
  const nLayers = ids[0].length;
  const size = nExperts <= 48 ? 16 : 7;

  const hider = make("style", "", `.${CSS.escape(model.get("twin"))} { display: none }`);
  const strip = make(
    "div",
    "white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.8;max-height:12em;overflow-y:auto;" +
      "outline-offset:2px;margin-bottom:0.6em;font-family:var(--jp-code-font-family,monospace)",
  );
  strip.tabIndex = 0;
  strip.dir = "auto";
  strip.setAttribute("role", "group");
  strip.setAttribute("aria-label", "tokens; left and right move");
  const spans = tokens.map((text, at) => {
    const span = make("span", "border-radius:2px;cursor:pointer", shown(text));
    span.dataset.at = String(at);
    return span;
  });
  strip.append(...spans);

  const canvas = /** @type {HTMLCanvasElement} */ (make("canvas", "max-width:100%;border:1px solid rgba(128,128,128,0.5)"));
  canvas.width = nExperts * size;
  canvas.height = nLayers * size;
  canvas.setAttribute("role", "img");
  const facts = make("div", "opacity:0.8;font-size:87%;min-height:1.4em");
  facts.setAttribute("aria-live", "polite");
  const root = make("div", "color:inherit", hider, strip, canvas, facts);
  root.dataset.lmSuppressShortcuts = "true"; // JupyterLab would take the arrow keys
  el.append(root);

  let marked = -1;
  function paint() {
    const at = Math.min(Math.max(model.get("selected"), 0), tokens.length - 1);
    if (spans[marked]) spans[marked].style.outline = "";
    spans[at].style.outline = MARK;
    marked = at;
    const context = canvas.getContext("2d");
    if (!context) return;
    context.clearRect(0, 0, canvas.width, canvas.height);
    ids[at].forEach((row, layer) =>
      row.forEach((expert, choice) => {
        context.fillStyle = `rgba(234,110,20,${Math.max(weights[at][layer][choice], 0.08)})`;
        context.fillRect(expert * size, layer * size, size - 1, size - 1);
      }),
    );
    canvas.setAttribute("aria-label", `experts of token ${at}, layers downward`);
    facts.textContent = `token ${at}; layers 0 to ${nLayers - 1} downward, experts 0 to ${nExperts - 1} across`;
  }

  /** @param {number} at */
  function select(at) {
    if (at < 0 || at >= tokens.length || at === model.get("selected")) return;
    model.set("selected", at);
    model.save_changes();
  }

  strip.addEventListener("mouseover", (event) => {
    const at = /** @type {HTMLElement} */ (event.target).dataset.at;
    if (at !== undefined) select(Number(at));
  });
  strip.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    select(model.get("selected") + step);
    event.preventDefault();
    event.stopPropagation();
  });
  canvas.addEventListener("mousemove", (event) => {
    const scale = canvas.width / canvas.getBoundingClientRect().width;
    const expert = Math.floor((event.offsetX * scale) / size);
    const layer = Math.floor((event.offsetY * scale) / size);
    const choice = ids[marked][layer]?.indexOf(expert) ?? -1;
    const share = choice < 0 ? "not asked" : `weight ${weights[marked][layer][choice].toFixed(3)}`;
    facts.textContent = `token ${marked}; layer ${layer}, expert ${expert}: ${share}`;
  });

  model.on("change:selected", paint);
  paint();
  return () => {
    model.off("change:selected", paint);
    root.remove();
  };
}

export default { render };
