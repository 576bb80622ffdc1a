// The live token view: how likely every token was, what else there was, and branches beside the reply.
// @ts-check

/**
 * @typedef {{id: number, text: string, p: number, logit: number}} Alternative
 * @typedef {{at: number, name: string, tokens: string[], special: number[], n_left_out: number}} Branch
 */

const COLUMN = "flex:1 1 16em;min-width:0";
const SCROLL = "max-height:24em;overflow-y:auto;padding:2px"; // what is told of a token stays in sight below

/**
 * @param {{model: Model, el: HTMLElement}} context
 * @returns {() => void} what takes the view away
 */
function render({ model, el }) {
  /** @type {string[]} */
  const tokens = model.get("tokens");
  const shade = /** @type {HTMLSelectElement} */ (make("select", "margin-bottom:0.5em"));
  shade.setAttribute("aria-label", "what the shading shows");
  for (const name of ["probability", "entropy"]) shade.append(new Option(`shaded by ${name}`, name));

  const strip = makeStrip(model, "tokens; left and right move, a click holds, down enters the alternatives");
  strip.element.style.cssText += `;${COLUMN};${SCROLL}`;
  const columns = make("div", "display:flex;flex-wrap:wrap;gap:1em;padding:2px");
  const facts = make("div", "margin:0.6em 0 0.3em");
  facts.setAttribute("aria-live", "polite");
  const list = make("div", "display:grid;gap:2px;max-width:32em");
  const status = make("div", "margin-top:0.4em");
  const root = makeRoot(model, shade, columns, facts, list, status);
  el.append(root);

  function paintShades() {
    const isEntropy = model.get("shade") === "entropy";
    /** @type {number[]} */
    const values = model.get(isEntropy ? "entropies" : "probabilities");
    const largest = Math.max(1e-9, ...model.get("entropies"));
    strip.spans.forEach((span, at) => {
      const dark = isEntropy ? values[at] / largest : 1 - values[at];
      span.style.background = `rgba(${ORANGE},${(0.85 * dark).toFixed(2)})`;
    });
    shade.value = model.get("shade");
  }

  let painted = -1;
  function paintSelected() {
    const at = strip.mark();
    if (at === painted) return;
    painted = at;
    const p = percent(model.get("probabilities")[at]);
    facts.textContent = `token ${at}: ${quoted(tokens[at])} ${p}, entropy ${model.get("entropies")[at].toFixed(2)} nats`;
    const page = /** @type {Document | ShadowRoot} */ (root.getRootNode());
    const inside = [...list.children].indexOf(/** @type {Element} */ (page.activeElement));
    list.replaceChildren(...model.get("alternatives")[at].map((/** @type {Alternative} */ other) => row(at, other)));
    if (inside >= 0) /** @type {HTMLElement} */ (list.children[inside])?.focus(); // where the reader was
  }

  /** @param {number} at @param {Alternative} other */
  function row(at, other) {
    const bar = `linear-gradient(to right, rgba(${ORANGE},0.45) ${100 * other.p}%, transparent ${100 * other.p}%)`;
    const button = make(
      "button",
      "display:flex;gap:1em;text-align:left;border:1px solid rgba(128,128,128,0.4);border-radius:3px;" +
        `color:inherit;cursor:pointer;padding:2px 6px;background:${bar}`,
      make("span", `flex:1;white-space:pre;overflow:hidden;${MONO}`, quoted(other.text)),
      make("span", "", percent(other.p)),
      make("span", "opacity:0.7;min-width:6em;text-align:right", `logit ${other.logit.toFixed(2)}`),
    );
    button.title = "write a branch with this token (Enter)";
    button.addEventListener("click", () => model.send({ type: "branch", at, token: other.id }));
    return button;
  }

  function paintBranches() {
    columns.replaceChildren(
      strip.element,
      ...model.get("branches").map((/** @type {Branch} */ branch) => {
        const spans = makeTokens(branch.tokens, branch.special);
        for (const span of spans.slice(0, branch.at)) span.style.opacity = "0.65";
        if (spans[branch.at]) spans[branch.at].style.outline = "2px solid rgba(128,128,128,0.6)";
        const text = make("div", `${TEXT};${SCROLL}`, ...spans, ...makeNote(branch.n_left_out));
        text.dir = "auto";
        return make("div", COLUMN, make("div", QUIET, branch.name), text);
      }),
    );
  }

  function paintStatus() {
    status.replaceChildren(model.get("error"));
    if (!model.get("busy")) return;
    const stop = make("button", "margin-left:0.6em", "■ Stop");
    stop.addEventListener("click", () => model.send({ type: "stop" }));
    status.replaceChildren("writing a branch …", stop);
  }

  shade.addEventListener("change", () => {
    model.set("shade", shade.value);
    model.save_changes();
  });
  root.addEventListener("keydown", (event) => {
    if (event.target === shade) return;
    const others = /** @type {HTMLElement[]} */ ([...list.children]);
    const inside = others.indexOf(/** @type {HTMLElement} */ (event.target));
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (event.key === "ArrowDown") others[Math.min(inside + 1, others.length - 1)]?.focus();
    else if (event.key === "ArrowUp" && inside > 0) others[inside - 1].focus();
    else if ((event.key === "ArrowUp" && inside === 0) || event.key === "Escape") strip.element.focus();
    else if (step !== undefined) {
      strip.element.focus();
      strip.select(model.get("selected") + step);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });
  return follow(model, root, {
    branches: paintBranches,
    shade: paintShades,
    selected: paintSelected,
    busy: paintStatus,
    error: paintStatus,
  });
}

export default { render };
