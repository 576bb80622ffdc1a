// What the live views share; it stands before each of them, so that a view is one module (live.py).
// Everything a model wrote enters the page as a text node; nothing is fetched. The colours are drawing.py's:
// each has one meaning, and a legend in the view says it.
// @ts-check

/**
 * @typedef {{get(name: string): any, set(name: string, value: any): void, save_changes(): void,
 *   on(name: string, callback: () => void): void, off(name: string, callback: () => void): void,
 *   send(content: object): void}} Model
 * @typedef {{element: HTMLElement, spans: HTMLElement[], move(step: number): void, mark(): number}} Strip
 */

const UNLIKELY = "234,110,20"; // orange
const SHARE = "30,110,230"; // blue
const OWN = "128,128,128"; // grey: the model's, before the settings
const DIFFERS = "150,80,200"; // violet
const FULL = 0.65; // the darkest shade: text on it can be read, on white and on black
const BAR = 0.9; // the depth of a bar, on which there is no text

const STYLE = `
.ossnb-view { color: inherit; padding: 2px; font-variant-numeric: tabular-nums; }
.ossnb-view :focus-visible { outline: 2px solid var(--jp-brand-color1, #1976d2); outline-offset: 2px; }
.ossnb-bar { display: flex; flex-wrap: wrap; align-items: center; gap: 0.4em 1.2em; margin-bottom: 0.5em; }
.ossnb-view button, .ossnb-view select { color: inherit; background: transparent; font: inherit; font-size: 93%;
  border: 1px solid rgba(128,128,128,0.6); border-radius: 3px; padding: 1px 8px; cursor: pointer; }
.ossnb-view option { color: initial; background: Canvas; color: CanvasText; }
.ossnb-quiet { color: var(--jp-ui-font-color2, inherit); font-size: 87%; min-height: 1.5em; }
.ossnb-text { white-space: pre-wrap; overflow-wrap: anywhere; line-height: 1.8; padding: 3px;
  font-family: var(--jp-code-font-family, monospace); }
.ossnb-scroll { max-height: 24em; overflow-y: auto; }
.ossnb-token { border-radius: 2px; }
.ossnb-special { font-size: 80%; opacity: 0.75; white-space: nowrap; }
.ossnb-before { opacity: 0.75; }
.ossnb-chosen { outline: 2px solid currentColor; }
.ossnb-held { outline-width: 3px; }
.ossnb-break { display: none; }
.ossnb-plain .ossnb-special { display: none; }
.ossnb-plain .ossnb-break { display: block; height: 0.6em; }
.ossnb-columns { display: flex; flex-wrap: wrap; gap: 1em; }
.ossnb-columns > * { flex: 1 1 16em; min-width: 0; }
.ossnb-key { display: inline-flex; align-items: center; gap: 0.4em; margin-right: 1.2em; }
.ossnb-swatch { display: inline-block; width: 1.2em; height: 0.8em; border-radius: 2px; text-align: center;
  line-height: 0.8em; box-shadow: 0 0 0 1px rgba(128,128,128,0.4); }
.ossnb-ramp { width: 7em; }
.ossnb-mono { font-family: var(--jp-code-font-family, monospace); white-space: pre; }
.ossnb-rows { border-collapse: collapse; margin: 0.4em 0; font-size: 93%; }
.ossnb-rows th, .ossnb-rows td { padding: 1px 0.5em 1px 0; text-align: right; font-weight: normal;
  white-space: nowrap; }
.ossnb-rows .ossnb-mono { text-align: left; white-space: pre; }
.ossnb-rows .ossnb-written td { font-weight: bold; }
.ossnb-number { display: inline-block; min-width: 4.9em; text-align: right; }
.ossnb-track { display: inline-block; width: min(8em, 10vw); height: 0.8em; margin-right: 0.5em; border-radius: 2px;
  overflow: hidden; vertical-align: -0.05em; background: rgba(128,128,128,0.15); }
.ossnb-fill { display: block; height: 100%; }
@media (prefers-reduced-motion: reduce) {
  .jp-OutputArea-output:has(.ossnb-view) *, .ossnb-view * { transition: none !important;
    animation: none !important; scroll-behavior: auto !important; }
}`;

/**
 * Make an element of some classes; strings among its children become text nodes.
 * @param {string} tag
 * @param {string} classes
 * @param {(Node | string)[]} children
 * @returns {HTMLElement}
 */
function make(tag, classes, ...children) {
  const element = document.createElement(tag);
  if (classes) element.className = classes;
  element.append(...children);
  return element;
}

/**
 * Make a view's element. While it is on the page its picture is not; a page without a kernel has the picture.
 * @param {Model} model
 * @param {(Node | string)[]} children
 */
function makeRoot(model, ...children) {
  const twin = model.get("twin"); // "" where a view has no picture
  const style = make("style", "", STYLE, twin && `.${CSS.escape(twin)} { display: none }`);
  const root = make("div", "ossnb-view", style, ...children);
  keepKeys(root);
  return root;
}

/**
 * Keep the keys for what is within an element. In command mode JupyterLab takes arrow keys and letters, unless
 * what has the focus says otherwise; what stands around it is asked too late.
 * @param {HTMLElement} element
 */
function keepKeys(element) {
  element.addEventListener("focusin", (event) => {
    /** @type {HTMLElement} */ (event.target).dataset.lmSuppressShortcuts = "true";
  });
}

/**
 * Make a place for words about what is selected; a screen reader tells them.
 * @returns {HTMLElement}
 */
function makeFacts() {
  const facts = make("div", "");
  facts.setAttribute("aria-live", "polite");
  return facts;
}

/**
 * Make something that keys reach, since it scrolls.
 * @param {HTMLElement} element
 * @param {string} label
 */
function makeReachable(element, label) {
  element.tabIndex = 0;
  element.setAttribute("role", "group");
  element.setAttribute("aria-label", label);
  return element;
}

/** @param {string} colour @param {number} share */
const shade = (colour, share) => `rgba(${colour},${(FULL * Math.min(Math.max(share, 0), 1)).toFixed(2)})`;

/**
 * @param {number} p
 * @returns {string} three digits, as the pictures write it
 */
function percent(p) {
  const value = 100 * p;
  return value >= 0.001 || value === 0 ? `${Number(value.toPrecision(3))} %` : "<0.001 %";
}

/**
 * A token's text on one line; blanks at its ends are marks that can be seen.
 * @param {string} text
 */
function marked(text) {
  const blanks = (/** @type {string} */ run) => "␣".repeat(run.length);
  return text.replace(/^ +| +$/g, blanks).replaceAll("\n", "⏎").replaceAll("\t", "⇥");
}

/** @param {string} text */
const quoted = (text) => `“${marked(text)}”`;

/**
 * Make a part of the legend: shades of a colour between two labels; `paint` changes the labels.
 * @param {string} colour
 * @param {string[]} labels
 */
function makeRamp(colour, ...labels) {
  const ramp = make("span", "ossnb-swatch ossnb-ramp");
  ramp.style.background = `linear-gradient(to right,rgba(${colour},0),rgba(${colour},${FULL}))`;
  const [left, right] = [make("span", ""), make("span", "")];
  /** @param {string[]} labels the left one, the right one, and perhaps one between them */
  function paint(...labels) {
    [left.textContent, right.textContent, ramp.textContent] = [labels[0], labels[1], labels[2] ?? ""];
  }
  paint(...labels);
  return { element: make("span", "ossnb-key", left, ramp, right), paint };
}

/**
 * Make a part of the legend: a colour and its meaning.
 * @param {string} colour
 * @param {string} text
 * @param {number} depth of the colour
 */
function makeKey(colour, text, depth = BAR) {
  const swatch = make("span", "ossnb-swatch");
  swatch.style.background = `rgba(${colour},${depth})`;
  return make("span", "ossnb-key", swatch, make("span", "", text));
}

/**
 * Make a bar in a track of its own: it runs through no number.
 * @param {string} colour
 * @param {number} share
 */
function makeBar(colour, share) {
  const fill = make("span", "ossnb-fill");
  fill.style.width = `${(100 * Math.min(Math.max(share, 0), 1)).toFixed(1)}%`;
  fill.style.background = `rgba(${colour},${BAR})`;
  return make("span", "ossnb-track", fill);
}

/**
 * Make the tokens of a text, and what stands between them.
 * @param {string[]} tokens
 * @param {number[]} special positions of those that are no text
 */
function makeTokens(tokens, special) {
  const isSpecial = new Set(special);
  /** @type {(Node | string)[]} */
  const nodes = [];
  const spans = tokens.map((text, at) => {
    if (at && isSpecial.has(at - 1) && !isSpecial.has(at)) nodes.push(make("span", "ossnb-break"));
    // The blank that leads a word parts it from the shaded word before, so it has no shade.
    const word = text.replace(/^ +/, "") || text;
    // A token that only breaks the line would have nothing to point at.
    const shown = word.trim() ? word : word.replaceAll("\n", "⏎\n");
    const span = make("span", `ossnb-token${isSpecial.has(at) ? " ossnb-special" : ""}`, shown);
    span.dataset.at = String(at);
    // A line may break beside a mark, so that the word beside it is not broken instead.
    if (isSpecial.has(at) || isSpecial.has(at - 1)) nodes.push(make("wbr", ""));
    nodes.push(" ".repeat(text.length - word.length), span);
    return span;
  });
  return { spans, nodes };
}

/**
 * Say how many tokens a long text has beside those on the page.
 * @param {number} nLeftOut
 * @returns {HTMLElement[]}
 */
const makeNote = (nLeftOut) =>
  nLeftOut > 0 ? [make("i", "", ` … ${nLeftOut.toLocaleString("en")} further tokens are not shown`)] : [];

/** @param {Model} model */
const switchText = (model) => `${model.get("hides_special") ? "Show" : "Hide"} special tokens`;

/**
 * Make the switch for harmony's marks and headers, where there are some; `follow` keeps its text.
 * @param {Model} model
 * @param {number} nSpecial
 * @returns {HTMLElement[]}
 */
function makeSwitch(model, nSpecial = model.get("special").length) {
  if (!nSpecial) return [];
  const element = make("button", "ossnb-switch", switchText(model));
  element.addEventListener("click", () => {
    model.set("hides_special", !model.get("hides_special"));
    model.save_changes();
  });
  return [element];
}

/**
 * Scroll an area, and nothing around it, until a part of it is in sight.
 * @param {HTMLElement} area
 * @param {HTMLElement | undefined} part
 */
function reveal(area, part) {
  if (!part?.offsetHeight) return; // it is not shown
  const [frame, own] = [area, part].map((e) => e.getBoundingClientRect());
  area.scrollTop += Math.min(own.top - frame.top, 0) + Math.max(own.bottom - frame.bottom, 0);
}

/**
 * Let the keys left and right move within an element, and nothing around it.
 * @param {HTMLElement} element
 * @param {(step: number) => void} move by -1 or 1
 */
function onArrows(element, move) {
  element.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    move(step);
    event.preventDefault();
    event.stopPropagation();
  });
}

/**
 * Make a row of tokens of which hovering and the keys left and right select one, from `first` on. A click holds
 * the selection, so that the pointer can leave for what is shown of the token; another click lets it go.
 * @param {Model} model
 * @param {string} label
 * @param {number} first
 * @returns {Strip}
 */
function makeStrip(model, label, first = 0) {
  const special = new Set(model.get("special"));
  const { spans, nodes } = makeTokens(model.get("tokens"), model.get("special"));
  const element = make("div", "ossnb-text ossnb-scroll", ...nodes, ...makeNote(model.get("n_left_out")));
  makeReachable(element, label);
  element.dir = "auto";
  for (const span of spans.slice(first)) span.style.cursor = "pointer";
  let marked = -1;
  let isHeld = false;

  // Nothing has a place before it is on the page, and another one when the page gets narrow.
  new ResizeObserver(() => reveal(element, spans[marked])).observe(element);

  /** @param {number} at of the selectable ones */
  function select(at) {
    if (!(at >= 0 && first + at < spans.length) || at === model.get("selected")) return;
    model.set("selected", at);
    model.save_changes();
  }
  /** @param {number} step to the next token that is in sight: 1 or -1 */
  function move(step) {
    let at = model.get("selected") + step;
    while (model.get("hides_special") && special.has(first + at)) at += step;
    select(at);
  }
  function mark() {
    const at = Math.min(Math.max(model.get("selected"), 0), spans.length - first - 1);
    spans[marked]?.classList.remove("ossnb-chosen", "ossnb-held");
    marked = first + at;
    paintMark();
    reveal(element, spans[marked]); // keys may have moved it out of sight
    return at;
  }
  function paintMark() {
    spans[marked].classList.add("ossnb-chosen");
    spans[marked].classList.toggle("ossnb-held", isHeld);
  }
  /** @param {Event} event */
  const place = (event) => Number(/** @type {HTMLElement} */ (event.target).dataset.at ?? NaN) - first;
  let pointer = "";
  element.addEventListener("mouseover", (event) => {
    // When the page moves under a pointer at rest, nobody has pointed at anything.
    const where = `${event.clientX},${event.clientY}`;
    if (where === pointer) return;
    pointer = where;
    if (!isHeld) select(place(event));
  });
  element.addEventListener("click", (event) => {
    const at = place(event);
    if (!(at >= 0)) return;
    isHeld = !(isHeld && first + at === marked);
    select(at);
    paintMark();
  });
  onArrows(element, move);
  return { element, spans, move, mark };
}

/**
 * Paint now and at every change, until the view is taken away.
 * @param {Model} model
 * @param {HTMLElement} root
 * @param {Record<string, () => void>} painters by the name of what they draw
 * @returns {() => void} what takes the view away
 */
function follow(model, root, painters) {
  function hide() {
    root.classList.toggle("ossnb-plain", model.get("hides_special"));
    const element = root.querySelector(".ossnb-switch");
    if (element) element.textContent = switchText(model);
  }
  const all = Object.entries({ hides_special: hide, ...painters });
  for (const [name, paint] of all) {
    paint();
    model.on(`change:${name}`, paint);
  }
  return () => {
    for (const [name, paint] of all) model.off(`change:${name}`, paint);
    root.remove();
  };
}
