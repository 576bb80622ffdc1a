// The live token view: how likely every token was, what else there was, and branches beside the reply.
// @ts-check

/**
 * @typedef {{id: number, text: string, p: number, logit: number}} Alternative
 * @typedef {{at: number, name: string, tokens: string[], special: number[], n_left_out: number}} Branch
 */

const TOKENS_STYLE = `
.ossnb-list { display: grid; gap: 2px; max-width: 40em; }
.ossnb-view .ossnb-row { display: grid; align-items: center; gap: 0 0.6em; padding: 1px 6px;
  grid-template-columns: 2.6em minmax(5em, 1fr) minmax(2em, 1fr) 5.4em 4em; text-align: right; white-space: nowrap; }
.ossnb-row .ossnb-mono { text-align: left; overflow: hidden; text-overflow: ellipsis; }
.ossnb-row .ossnb-track { width: auto; margin: 0; }
.ossnb-view div.ossnb-row { border: 1px solid transparent; }
.ossnb-view .ossnb-row.ossnb-written { border: 2px solid currentColor; padding: 0 5px; font-weight: bold; }`;

/**
 * @param {{model: Model, el: HTMLElement}} context
 * @returns {() => void} what takes the view away
 */
function render({ model, el }) {
  /** @type {string[]} */
  const tokens = model.get("tokens");
  const chooser = /** @type {HTMLSelectElement} */ (make("select", ""));
  chooser.setAttribute("aria-label", "what the shading shows");
  for (const name of ["probability", "entropy"]) chooser.append(new Option(`shaded by ${name}`, name));
  const ramp = makeRamp(UNLIKELY, "likely", "unlikely");
  const keys = make("div", "ossnb-quiet", ramp.element, makeKey(SHARE, "probability, before temperature and penalties"));

  const strip = makeStrip(model, "tokens; left and right move, a click holds, down enters the alternatives");
  // The strip stays in the document: taken out, it would lose the focus and how far it is scrolled.
  const columns = make("div", "ossnb-columns", strip.element);
  const facts = makeFacts();
  facts.style.margin = "0.6em 0 0.3em";
  const heads = ["rank", "token", "", "probability", "logit"].map((text) => make("span", "", text));
  heads[1].style.textAlign = "left";
  const list = make("div", "ossnb-list");
  const status = make("div", "");
  status.style.marginTop = "0.4em";
  const root = makeRoot(
    model,
    make("style", "", TOKENS_STYLE),
    make("div", "ossnb-bar", chooser, ...makeSwitch(model)),
    columns,
    keys,
    facts,
    make("div", "ossnb-list", make("div", "ossnb-row ossnb-quiet", ...heads)),
    list,
    status,
  );
  el.append(root);

  function paintShades() {
    const isEntropy = model.get("shade") === "entropy";
    /** @type {number[]} */
    const values = model.get(isEntropy ? "entropies" : "probabilities");
    const largest = Math.max(1e-9, ...model.get("entropies"));
    strip.spans.forEach((span, at) => {
      span.style.background = shade(UNLIKELY, isEntropy ? values[at] / largest : 1 - values[at]);
    });
    if (isEntropy) ramp.paint("sure of the next token", `unsure: ${largest.toFixed(2)} nats`);
    else ramp.paint("likely", "unlikely");
    chooser.value = model.get("shade");
  }

  const focused = () => /** @type {Document | ShadowRoot} */ (root.getRootNode()).activeElement;

  let painted = -1;
  function paintSelected() {
    const at = strip.mark();
    if (at === painted) return;
    painted = at;
    const p = percent(model.get("probabilities")[at]);
    facts.textContent =
      `token ${at}: ${quoted(tokens[at])} ${p}, rank ${model.get("ranks")[at]}, ` +
      `entropy ${model.get("entropies")[at].toFixed(2)} nats`;
    const inside = [...list.children].indexOf(/** @type {Element} */ (focused()));
    list.replaceChildren(
      ...model.get("alternatives")[at].map((/** @type {Alternative} */ other, /** @type {number} */ place) =>
        row(at, other, place),
      ),
    );
    if (inside >= 0) /** @type {HTMLElement} */ (list.children[inside])?.focus(); // where the reader was
  }

  /** @param {number} at @param {Alternative} other @param {number} place among the alternatives */
  function row(at, other, place) {
    const isWritten = place === model.get("written")[at];
    const cells = [
      make("span", "", `${isWritten ? model.get("ranks")[at] : place + 1}`),
      make("span", "ossnb-mono", marked(other.text), isWritten ? " ← written" : ""),
      makeBar(SHARE, other.p),
      make("span", "", percent(other.p)),
      make("span", "", other.logit.toFixed(2)),
    ];
    const classes = `ossnb-row${isWritten ? " ossnb-written" : ""}`;
    if (!model.get("has_kernel")) return make("div", classes, ...cells);
    const button = make("button", classes, ...cells);
    button.title = "write a branch with this token (Enter)";
    button.addEventListener("click", () => model.send({ type: "branch", at, token: other.id }));
    return button;
  }

  /** @param {Branch} branch */
  function makeBranch(branch) {
    const { spans, nodes } = makeTokens(branch.tokens, branch.special);
    for (const span of spans.slice(0, branch.at)) span.classList.add("ossnb-before");
    spans[branch.at]?.classList.add("ossnb-chosen");
    const text = make("div", "ossnb-text ossnb-scroll", ...nodes, ...makeNote(branch.n_left_out));
    text.dir = "auto";
    return makeReachable(text, branch.name);
  }

  /** @type {HTMLElement[]} */
  let texts = []; // of the branches
  function paintBranches() {
    /** @type {Branch[]} */
    const branches = model.get("branches");
    // A branch that is being written comes many times a second: the reader stays where they are.
    const held = texts.indexOf(/** @type {HTMLElement} */ (focused()));
    const places = texts.map((text) => text.scrollTop);
    texts = branches.map(makeBranch);
    while (strip.element.nextSibling) strip.element.nextSibling.remove();
    columns.append(...branches.map(({ name }, i) => make("div", "", make("div", "ossnb-quiet", name), texts[i])));
    texts.slice(0, places.length).forEach((text, i) => {
      text.scrollTop = places[i];
    });
    texts[held]?.focus({ preventScroll: true });
  }

  function paintStatus() {
    status.replaceChildren(model.get("error"));
    if (!model.get("busy")) return;
    const stop = make("button", "", "Stop");
    stop.addEventListener("click", () => model.send({ type: "stop" }));
    status.replaceChildren("writing a branch … ", stop);
  }

  chooser.addEventListener("change", () => {
    model.set("shade", chooser.value);
    model.save_changes();
  });
  root.addEventListener("keydown", (event) => {
    const others = /** @type {HTMLElement[]} */ ([...list.querySelectorAll("button")]);
    const inside = others.indexOf(/** @type {HTMLElement} */ (event.target));
    if (inside < 0 && event.target !== strip.element) return;
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (event.key === "ArrowDown") others[Math.min(inside + 1, others.length - 1)]?.focus();
    else if (event.key === "ArrowUp" && inside > 0) others[inside - 1].focus();
    else if ((event.key === "ArrowUp" && inside === 0) || event.key === "Escape") strip.element.focus();
    else if (step !== undefined) {
      strip.element.focus();
      strip.move(step);
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
