// The question whether a call may be carried out: its code or its arguments, and two buttons.
// @ts-check

const APPROVAL_STYLE = `
.ossnb-asked { border-left: 3px solid rgba(128,128,128,0.6); padding-left: 0.8em; }
.ossnb-asked pre, .ossnb-view details pre { margin: 0.3em 0; white-space: pre-wrap; background: none;
  color: inherit; font-size: inherit; line-height: 1.5; }
.ossnb-asked .ossnb-bar { margin: 0.6em 0 0; }
.ossnb-view .ossnb-keys { color: var(--jp-ui-font-color2, inherit); font-size: 87%; }
.ossnb-view details { margin: 0.4em 0; }
.ossnb-view .ossnb-yes { border: 2px solid currentColor; font-weight: bold; }
.ossnb-view summary { cursor: pointer; }
.ossnb-told { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }`;

// A button that has just come may lie under a click that was meant for something else.
const SETTLE_MS = 500;

/**
 * @param {{model: Model, el: HTMLElement}} context
 * @returns {() => void} what takes the view away
 */
function render({ model, el }) {
  const began = performance.now();
  const place = make("div", "");
  const told = make("div", "ossnb-told"); // for screen readers
  told.setAttribute("role", "status");
  const root = makeRoot(model, make("style", "", APPROVAL_STYLE), place, told);
  el.append(root);

  /** @param {boolean} runs */
  function decide(runs) {
    if (model.get("state") !== "open" || performance.now() - began < SETTLE_MS) return;
    model.send({ type: "decide", runs });
  }
  const text = () => make("pre", model.get("is_code") ? "ossnb-text ossnb-scroll" : "ossnb-scroll", model.get("text"));
  function makeQuestion() {
    const code = makeReachable(text(), model.get("is_code") ? "the code" : "the arguments");
    code.dir = "auto";
    const [yes, no] = [make("button", "ossnb-yes", "Run"), make("button", "", "Don't run")];
    yes.addEventListener("click", () => decide(true));
    no.addEventListener("click", () => decide(false));
    const keys = make("span", "ossnb-keys", "keys: y, n");
    const bar = make("div", "ossnb-bar", yes, no, keys);
    const asked = make("div", "ossnb-asked", make("div", "", model.get("question")), code, bar);
    asked.setAttribute("role", "group");
    asked.setAttribute("aria-label", model.get("question"));
    asked.addEventListener("keydown", (event) => {
      if (event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
      const isButton = /** @type {HTMLElement} */ (event.target).localName === "button"; // its own Enter
      const runs = { y: true, n: false, Escape: false, ...(isButton ? {} : { Enter: true }) }[event.key];
      if (runs === undefined) return;
      decide(runs);
      event.preventDefault();
      event.stopPropagation();
    });
    return asked;
  }
  function makeDecided() {
    const code = makeReachable(text(), model.get("question"));
    code.dir = "auto";
    return make("details", "", make("summary", "", model.get("words")), code);
  }
  function paint() {
    const hadFocus = place.contains(document.activeElement);
    const state = model.get("state");
    place.className = state === "open" ? "" : "ossnb-quiet";
    place.replaceChildren(...(state === "open" ? [makeQuestion()] : state === "typed" ? [] : [makeDecided()]));
    if (hadFocus) place.querySelector("summary")?.focus();
  }
  function show() {
    paint();
    // What is there from the beginning is not told; what comes is.
    const isOpen = model.get("state") === "open";
    const words = isOpen ? `A call waits for your word. ${model.get("question")}` : model.get("words");
    setTimeout(() => (told.textContent = words), 100);
  }
  return follow(model, root, { state: show });
}

export default { render };
