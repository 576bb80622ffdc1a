// What the live views share; it stands before each of them, so that a view is one module (live.py).
// Everything a model wrote enters the page as a text node; nothing is fetched.
// @ts-check

/**
 * @typedef {{get(name: string): any, set(name: string, value: any): void, save_changes(): void,
 *   on(name: string, callback: () => void): void, off(name: string, callback: () => void): void,
 *   send(content: object): void}} Model
 * @typedef {{element: HTMLElement, spans: HTMLElement[], select(at: number): void, mark(): number}} Strip
 */

const ORANGE = "234,110,20";
const MONO = "font-family:var(--jp-code-font-family,monospace)";
const TEXT = `white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.8;${MONO}`;
const QUIET = "opacity:0.8;font-size:87%;min-height:1.4em";

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

/**
 * Make a view's element. While it is on the page its picture is not; a page without a kernel has the picture.
 * @param {Model} model
 * @param {(Node | string)[]} children
 */
function makeRoot(model, ...children) {
  const hider = make("style", "", `.${CSS.escape(model.get("twin"))} { display: none }`);
  const root = make("div", "color:inherit", hider, ...children);
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
 * @param {number} p
 * @returns {string} three digits, as the pictures write it
 */
function percent(p) {
  const value = 100 * p;
  return value >= 0.001 || value === 0 ? `${Number(value.toPrecision(3))} %` : "<0.001 %";
}

/** @param {string} text */
const quoted = (text) => `“${text.replaceAll("\n", "⏎").replaceAll("\t", "⇥")}”`;

/**
 * Make the tokens of a text.
 * @param {string[]} tokens
 * @param {number[]} special positions of those that are no text
 */
function makeTokens(tokens, special) {
  const isSpecial = new Set(special);
  return tokens.map((text, at) => {
    // A token that only breaks the line would have nothing to point at.
    const shown = text.trim() ? text : text.replaceAll("\n", "⏎\n");
    const span = make("span", `border-radius:2px;${isSpecial.has(at) ? "opacity:0.75;font-size:80%" : ""}`, shown);
    span.dataset.at = String(at);
    return span;
  });
}

/**
 * Say how many tokens a long text has beside those on the page.
 * @param {number} nLeftOut
 * @returns {HTMLElement[]}
 */
const makeNote = (nLeftOut) =>
  nLeftOut > 0 ? [make("i", "", ` … ${nLeftOut.toLocaleString("en")} further tokens are not shown`)] : [];

/**
 * Make a row of tokens of which hovering and the keys left and right select one, from `first` on. A click holds
 * the selection, so that the pointer can leave for what is shown of the token; another click lets it go.
 * @param {Model} model
 * @param {string} label
 * @param {number} first
 * @returns {Strip}
 */
function makeStrip(model, label, first = 0) {
  const spans = makeTokens(model.get("tokens"), model.get("special"));
  const element = make("div", `${TEXT};outline-offset:4px`, ...spans, ...makeNote(model.get("n_left_out")));
  element.tabIndex = 0;
  element.dir = "auto";
  element.setAttribute("role", "group");
  element.setAttribute("aria-label", label);
  for (const span of spans.slice(first)) span.style.cursor = "pointer";
  let marked = -1;
  let isHeld = false;

  /** @param {number} at of the selectable ones */
  function select(at) {
    if (!(at >= 0 && first + at < spans.length) || at === model.get("selected")) return;
    model.set("selected", at);
    model.save_changes();
  }
  function mark() {
    const at = Math.min(Math.max(model.get("selected"), 0), spans.length - first - 1);
    if (spans[marked]) spans[marked].style.outline = "";
    marked = first + at;
    paintMark();
    // Keys may have moved it out of sight in a row that scrolls.
    const [frame, token] = [element, spans[marked]].map((e) => e.getBoundingClientRect());
    element.scrollTop += Math.min(token.top - frame.top, 0) + Math.max(token.bottom - frame.bottom, 0);
    return at;
  }
  function paintMark() {
    spans[marked].style.outline = `${isHeld ? 3 : 2}px solid var(--jp-brand-color1, #1976d2)`;
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
  element.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    select(model.get("selected") + step);
    event.preventDefault();
    event.stopPropagation();
  });
  return { element, spans, select, mark };
}

/**
 * Paint now and at every change, until the view is taken away.
 * @param {Model} model
 * @param {HTMLElement} root
 * @param {Record<string, () => void>} painters by the name of what they draw
 * @returns {() => void} what takes the view away
 */
function follow(model, root, painters) {
  for (const [name, paint] of Object.entries(painters)) {
    paint();
    model.on(`change:${name}`, paint);
  }
  return () => {
    for (const [name, paint] of Object.entries(painters)) model.off(`change:${name}`, paint);
    root.remove();
  };
}
