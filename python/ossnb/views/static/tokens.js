// The live token view. Everything a model wrote enters the page as a text node; nothing is fetched.
// @ts-check

/**
 * @typedef {{id: number, text: string, p: number, logit: number}} Alternative
 * @typedef {{at: number, tokens: string[]}} Branch
 * @typedef {{get(name: string): any, set(name: string, value: any): void, save_changes(): void,
 *   on(name: string, callback: () => void): void, off(name: string, callback: () => void): void,
 *   send(content: object): void}} Model
 */

const ORANGE = "234,110,20";
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

/** @param {number} p */
const percent = (p) => `${Number((100 * p).toPrecision(3))} %`;

/** @param {string} text */
const quoted = (text) => `“${text.replaceAll("\n", "⏎").replaceAll("\t", "⇥")}”`;

/** A token that only breaks the line would have nothing to point at. @param {string} text */
const shown = (text) => (text.trim() ? text : text.replaceAll("\n", "⏎\n"));

/**
 * @param {{model: Model, el: HTMLElement}} context
 * @returns {() => void} what takes the view away
 */
function render({ model, el }) {
  /** @type {string[]} */
  const tokens = model.get("tokens");

  // While this view is on the page its picture is not; a page without a kernel has the picture alone.
  const hider = make("style", "", `.${CSS.escape(model.get("twin"))} { display: none }`);

  const shade = /** @type {HTMLSelectElement} */ (make("select", "margin-bottom:0.5em"));
  shade.setAttribute("aria-label", "what the shading shows");
  for (const name of ["probability", "entropy"]) shade.append(new Option(`shaded by ${name}`, name));
  shade.value = model.get("shade");

  const strip = make(
    "div",
    "white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.8;outline-offset:4px;" +
      "font-family:var(--jp-code-font-family,monospace)",
  );
  strip.tabIndex = 0;
  strip.dir = "auto";
  strip.setAttribute("role", "group");
  strip.setAttribute("aria-label", "tokens; left and right move, down enters the alternatives");
  const spans = tokens.map((text, at) => {
    const span = make("span", "border-radius:2px;cursor:pointer", shown(text));
    span.dataset.at = String(at);
    return span;
  });
  strip.append(...spans);

  const facts = make("div", "margin:0.6em 0 0.3em");
  facts.setAttribute("aria-live", "polite");
  const list = make("div", "display:grid;gap:2px;max-width:32em");
  const status = make("div", "margin:0.4em 0;min-height:1.4em");
  const branches = make("div", "display:flex;flex-wrap:wrap;gap:1em");
  const root = make("div", "color:inherit", hider, shade, strip, facts, list, status, branches);
  root.dataset.lmSuppressShortcuts = "true"; // JupyterLab would take the arrow keys
  el.append(root);

  function paintShades() {
    /** @type {number[]} */
    const values = model.get(model.get("shade") === "entropy" ? "entropies" : "probabilities");
    const largest = Math.max(1e-9, ...model.get("entropies"));
    const isEntropy = model.get("shade") === "entropy";
    spans.forEach((span, at) => {
      const dark = isEntropy ? values[at] / largest : 1 - values[at];
      span.style.background = `rgba(${ORANGE},${(0.85 * dark).toFixed(2)})`;
    });
    shade.value = model.get("shade");
  }

  let marked = -1;
  function paintSelected() {
    const at = model.get("selected");
    if (!spans[at]) return;
    if (spans[marked]) spans[marked].style.outline = "";
    spans[at].style.outline = MARK;
    marked = at;
    const p = model.get("probabilities")[at];
    const entropy = model.get("entropies")[at];
    facts.textContent = `token ${at}: ${quoted(tokens[at])} ${percent(p)}, entropy ${entropy.toFixed(2)} nats`;
    list.replaceChildren(...model.get("alternatives")[at].map((/** @type {Alternative} */ other) => row(at, other)));
  }

  /** @param {number} at @param {Alternative} other */
  function row(at, other) {
    const bar = `linear-gradient(to right, rgba(${ORANGE},0.45) ${100 * other.p}%, transparent ${100 * other.p}%)`;
    const button = make(
      "button",
      `display:flex;gap:1em;text-align:left;border:1px solid rgba(128,128,128,0.4);border-radius:3px;` +
        `color:inherit;cursor:pointer;padding:2px 6px;background:${bar}`,
      make("span", "flex:1;white-space:pre;overflow:hidden;font-family:var(--jp-code-font-family,monospace)",
        quoted(other.text)),
      make("span", "", percent(other.p)),
      make("span", "opacity:0.7", `logit ${other.logit.toFixed(2)}`),
    );
    button.title = "write a branch with this token (Enter)";
    button.addEventListener("click", () => model.send({ type: "branch", at, token: other.id }));
    return button;
  }

  function paintBranches() {
    branches.replaceChildren(
      ...model.get("branches").map((/** @type {Branch} */ branch) =>
        make(
          "div",
          "flex:1;min-width:16em;border-left:3px solid rgba(128,128,128,0.5);padding-left:0.6em;" +
            "white-space:pre-wrap;overflow-wrap:anywhere;font-family:var(--jp-code-font-family,monospace)",
          make("div", "opacity:0.7;font-size:87%", `branch at token ${branch.at}`),
          make("span", "opacity:0.55", branch.tokens.slice(0, branch.at).map(shown).join("")),
          make("b", "", shown(branch.tokens[branch.at] ?? "")),
          branch.tokens.slice(branch.at + 1).map(shown).join(""),
        ),
      ),
    );
  }

  function paintStatus() {
    status.replaceChildren();
    if (model.get("error")) status.textContent = model.get("error");
    if (!model.get("busy")) return;
    const stop = make("button", "margin-left:0.6em", "■ Stop");
    stop.addEventListener("click", () => model.send({ type: "stop" }));
    status.append("writing a branch …", stop);
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
  shade.addEventListener("change", () => {
    model.set("shade", shade.value);
    model.save_changes();
  });
  root.addEventListener("keydown", (event) => {
    const others = /** @type {HTMLElement[]} */ ([...list.children]);
    const inside = others.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    if (event.target === shade) return;
    if (event.key === "ArrowRight") select(model.get("selected") + 1);
    else if (event.key === "ArrowLeft") select(model.get("selected") - 1);
    else if (event.key === "ArrowDown") others[Math.min(inside + 1, others.length - 1)]?.focus();
    else if (event.key === "ArrowUp" && inside > 0) others[inside - 1].focus();
    else if ((event.key === "ArrowUp" && inside === 0) || event.key === "Escape") strip.focus();
    else return;
    if (event.key.startsWith("ArrowR") || event.key.startsWith("ArrowL")) strip.focus();
    event.preventDefault();
    event.stopPropagation();
  });

  /** @type {[string, () => void][]} */
  const listeners = [
    ["change:selected", paintSelected],
    ["change:shade", paintShades],
    ["change:branches", paintBranches],
    ["change:busy", paintStatus],
    ["change:error", paintStatus],
  ];
  for (const [name, paint] of listeners) model.on(name, paint);
  paintShades();
  paintSelected();
  paintBranches();
  paintStatus();
  return () => {
    for (const [name, paint] of listeners) model.off(name, paint);
    root.remove();
  };
}

export default { render };
