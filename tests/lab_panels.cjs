// Drives the panels in JupyterLab as a reader would: node lab_panels.cjs URL CHROMIUM FOLDER. Prints JSON.
const { chromium } = require("playwright-core");

const [base, executablePath, folder] = process.argv.slice(2);
const TOKENS = '[role=group][aria-label^="tokens; left and right move, down"]';

async function main() {
  const browser = await chromium.launch({
    executablePath,
    headless: true,
    args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
  });
  const page = await browser.newPage({ viewport: { width: 1300, height: 1800 } });
  const seen = { external: [], errors: [] };
  page.on("request", (request) => {
    if (!/^(data|blob):/.test(request.url()) && !request.url().startsWith(base)) seen.external.push(request.url());
  });
  page.on("pageerror", (error) => seen.errors.push(String(error)));

  const open = async () => {
    await page.goto(`${base}/lab/tree/panels.ipynb?reset`, { waitUntil: "domcontentloaded" });
    await page.waitForFunction(() => !!window.jupyterapp);
    await page.waitForSelector(".jp-NotebookPanel .jp-CodeCell");
  };
  // A cell run before the kernel's socket is connected never ends.
  const kernelReady = () =>
    page.waitForFunction(
      () => {
        const session = jupyterapp.shell.currentWidget?.sessionContext;
        const kernel = session?.session?.kernel;
        return session?.isReady && kernel?.connectionStatus === "connected" && kernel.status === "idle";
      },
      { timeout: 60000 },
    );
  const pictures = () =>
    page.evaluate(() => [...document.querySelectorAll('[class^="ossnb-"]')].map((e) => getComputedStyle(e).display));
  const facts = () =>
    page.evaluate(() =>
      [...document.querySelectorAll("[aria-live=polite]")].map((e) => e.textContent).filter((t) => /^token/.test(t)),
    );
  const button = (name) => page.getByRole("button", { name, exact: true }).last();

  await open();
  await kernelReady();
  await page.evaluate(() => jupyterapp.commands.execute("notebook:run-all-cells"));
  await page.waitForSelector(TOKENS, { timeout: 120000 });
  await button("Generate").waitFor({ timeout: 120000 });
  await page.waitForTimeout(1000);
  seen.live = await pictures();

  await page.locator(TOKENS).first().focus();
  for (let i = 0; i < 5; i++) await page.keyboard.press("ArrowRight");
  await page.waitForTimeout(500);
  seen.facts = await facts();

  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.waitForSelector("text=branch at token 5", { timeout: 60000 });

  const drawn = () =>
    page.evaluate(
      () =>
        new Promise((resolve) => {
          const host = [...document.querySelectorAll(".jupyter-widgets table")].at(-1).closest(".widget-html-content");
          const began = performance.now();
          new MutationObserver(() => resolve(performance.now() - began)).observe(host, { childList: true, subtree: true });
          setTimeout(() => resolve(null), 10000);
          const handle = document.querySelectorAll(".noUi-handle")[0];
          handle.focus();
          handle.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowLeft", bubbles: true }));
        }),
    );
  seen.sliderMs = [];
  for (let i = 0; i < 6; i++) {
    seen.sliderMs.push(await drawn());
    await page.waitForTimeout(300);
  }
  await page.screenshot({ path: `${folder}/light.png` });

  await button("Generate").click();
  await page.waitForTimeout(200);
  seen.stopWhileRunning = await button("■ Stop").isEnabled();
  if (seen.stopWhileRunning) await button("■ Stop").click();
  await page.waitForFunction(
    () => [...document.querySelectorAll("button")].some((b) => b.textContent === "Generate" && !b.disabled),
    { timeout: 60000 },
  );

  await page.evaluate(() => jupyterapp.commands.execute("apputils:change-theme", { theme: "JupyterLab Dark" }));
  await page.waitForTimeout(1500);
  await page.screenshot({ path: `${folder}/dark.png` });
  seen.hits = await page.evaluate(() => window.hits ?? 0);

  await page.evaluate(() => jupyterapp.commands.execute("docmanager:save"));
  await page.waitForTimeout(1000);
  await page.evaluate(() => jupyterapp.serviceManager.sessions.shutdownAll());
  seen.liveErrors = seen.errors.splice(0);
  await open();
  await page.waitForTimeout(4000);
  seen.reloaded = await pictures();
  await page.screenshot({ path: `${folder}/reloaded.png` });
  await browser.close();
  console.log(JSON.stringify(seen));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
