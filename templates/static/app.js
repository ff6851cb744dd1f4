// ktizo: what the pages do beyond plain HTML. Everything here is a convenience; each page works without it, except that it
// then shows what was true when it was fetched.
(() => {
  "use strict";
  const root = document.documentElement;

  // The theme: the system's, unless somebody chose.
  const chosen = () => { try { return localStorage.getItem("theme"); } catch { return null; } };
  const dark = () => (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  if (chosen()) root.dataset.theme = chosen();

  // Moments are shown as spans, which keep running.
  const STEPS = [[60, 1, "s"], [3600, 60, "min"], [172800, 3600, "h"], [Infinity, 86400, "d"]];
  let skew = 0;
  const span = (at) => {
    const seconds = Math.round((Date.now() + skew - at) / 1000);
    if (Math.abs(seconds) < 2) return "just now";
    const [, unit, name] = STEPS.find(([limit]) => Math.abs(seconds) < limit);
    const text = `${Math.floor(Math.abs(seconds) / unit)} ${name}`;
    return seconds < 0 ? `in ${text}` : `${text} ago`;
  };
  const times = (within = document) => {
    for (const time of within.querySelectorAll("time[datetime]")) {
      const at = new Date(time.dateTime);
      const text = span(at);
      if (!time.title) time.title = at.toLocaleString();
      if (time.textContent !== text) time.textContent = text;
    }
  };

  // A fragment that changed takes the place of the old one; what a person has in hand stays.
  const was = new WeakMap();
  const busy = (part) => part.contains(document.activeElement) && document.activeElement.matches("input:not([type=checkbox]), textarea, select");
  const swap = (fresh) => {
    for (const part of document.querySelectorAll("[data-live]")) {
      const next = fresh.getElementById(part.id);
      if (!next || busy(part) || next.innerHTML === was.get(part)) continue;
      const ticked = new Set([...part.querySelectorAll("input:checked")].map((box) => box.id));
      const open = new Set([...part.querySelectorAll("details[open][id]")].map((box) => box.id));
      const scrolls = [...part.querySelectorAll("[id]")].filter((box) => box.scrollTop || box.scrollLeft).map((box) => [box.id, box.scrollTop, box.scrollLeft]);
      const focus = part.contains(document.activeElement) ? document.activeElement.id : "";
      part.innerHTML = next.innerHTML;
      was.set(part, next.innerHTML);
      for (const id of ticked) { const box = document.getElementById(id); if (box) box.checked = true; }
      for (const id of open) { const box = document.getElementById(id); if (box) box.open = true; }
      for (const [id, top, left] of scrolls) { const box = document.getElementById(id); if (box) box.scrollTo(left, top); }
      if (focus) document.getElementById(focus)?.focus({ preventScroll: true });
      times(part);
      counted();
    }
  };

  // One fetch at a time, and never more often than twice a second, whatever a busy site sends.
  let fetching = false, again = false;
  const refresh = async () => {
    if (fetching) { again = true; return; }
    fetching = true;
    try {
      const answer = await fetch(location.href, { headers: { "X-Requested-With": "app.js" }, cache: "no-store" });
      const date = answer.headers.get("date");
      if (answer.redirected && new URL(answer.url).pathname !== location.pathname) { location.reload(); return; }
      if (date && Math.abs(Date.parse(date) - Date.now()) > 2000) skew = Date.parse(date) - Date.now();
      if (answer.ok) swap(new DOMParser().parseFromString(await answer.text(), "text/html"));
    } catch { /* the next event, or the line coming back, asks again */ }
    setTimeout(() => { fetching = false; if (again) { again = false; refresh(); } }, 400);
  };

  const listen = () => {
    const light = document.getElementById("live");
    if (!document.querySelector("[data-live]")) return;
    const only = document.body.dataset.device;
    const source = new EventSource("/api/v1/events");
    const say = (state, text) => { if (light) { light.dataset.state = state; light.textContent = text; light.hidden = false; } };
    // What happened between the page and the first word of the source, or while the line was down, is fetched.
    source.onopen = () => { say("on", "Live"); refresh(); };
    source.onerror = () => {
      say("off", "Connecting again");
      // A refusal ends the source for good: the session may be over, which the page itself finds out.
      if (source.readyState === EventSource.CLOSED) setTimeout(() => { refresh(); listen(); }, 5000);
    };
    const heard = (message) => {
      let told;
      try { told = JSON.parse(message.data); } catch { told = {}; }
      // News of a device is the device itself; others name theirs.
      const device = message.type === "device" ? told.id : told.device;
      if (only && device != null && String(device) !== only) return;
      refresh();
    };
    for (const kind of ["event", "device", "boot", "settings", "resync"]) source.addEventListener(kind, heard);
    addEventListener("pagehide", () => source.close(), { once: true });
  };

  // How many rows are ticked.
  const counted = () => {
    for (const bar of document.querySelectorAll("[data-counts]")) {
      const boxes = [...document.querySelectorAll(`input[name="${bar.dataset.counts}"]`)];
      const ticked = boxes.filter((box) => box.checked).length;
      const word = bar.querySelector("[data-count]");
      if (word) word.textContent = ticked ? `${ticked} selected` : "Nothing selected";
      for (const button of bar.querySelectorAll("button")) button.disabled = !ticked;
      const all = document.getElementById("tick-all");
      if (all) { all.checked = boxes.length > 0 && ticked === boxes.length; all.indeterminate = ticked > 0 && ticked < boxes.length; }
    }
  };

  // A file that is chosen fills the text field it belongs to.
  const fill = async (input) => {
    const target = document.getElementById(input.dataset.fills);
    if (target && input.files[0]) target.value = await input.files[0].text();
  };

  // An asset goes up as it is, with its progress shown.
  const upload = (form) => {
    const file = form.querySelector("input[type=file]").files[0];
    const bar = form.querySelector("progress");
    const said = form.querySelector("[role=status]");
    if (!file) { said.textContent = "Choose a file first."; return; }
    const send = new XMLHttpRequest();
    const wrong = (text) => { bar.hidden = true; said.textContent = text; };
    const refusal = () => { try { return JSON.parse(send.responseText).message; } catch { return `The server answered ${send.status}.`; } };
    send.upload.onprogress = (sent) => { bar.max = sent.total; bar.value = sent.loaded; said.textContent = `${Math.floor(100 * sent.loaded / sent.total)} % of ${file.name}`; };
    send.onerror = () => wrong("The connection broke off. Nothing was imported; try again.");
    send.onload = async () => {
      if (send.status !== 201) { wrong(refusal()); return; }
      const sha256 = JSON.parse(send.responseText).sha256;
      const field = (name) => form.elements[name].value;
      const asset = { version: field("version"), arch: field("arch"), kind: field("kind"), sha256 };
      if (field("expected_sha256").trim()) asset.expected_sha256 = field("expected_sha256").trim();
      const answer = await fetch("/api/v1/assets", { method: "POST", headers: headers(form, "application/json"), body: JSON.stringify({ assets: [asset] }) });
      if (answer.ok) location.assign("/assets?said=asset-imported");
      else wrong((await answer.json()).message);
    };
    send.open("POST", "/api/v1/assets/uploads");
    for (const [name, value] of Object.entries(headers(form, "application/octet-stream"))) send.setRequestHeader(name, value);
    bar.hidden = false;
    send.send(file);
  };
  const headers = (form, type) => ({ "Content-Type": type, "X-CSRF-Token": form.elements.csrf.value });

  const start = () => {
    const toggle = document.getElementById("theme");
    if (toggle) {
      const label = () => { toggle.textContent = dark() ? "Light theme" : "Dark theme"; };
      toggle.hidden = false;
      toggle.addEventListener("click", () => {
        root.dataset.theme = dark() ? "light" : "dark";
        try { localStorage.setItem("theme", root.dataset.theme); } catch { /* it holds for this page */ }
        label();
      });
      label();
    }
    for (const part of document.querySelectorAll("[data-live]")) was.set(part, part.innerHTML);
    for (const part of document.querySelectorAll("[data-script]")) part.hidden = false;
    times();
    counted();
    setInterval(times, 1000);
    listen();
    document.querySelector("[aria-invalid=true]")?.focus();
  };

  addEventListener("change", ({ target }) => {
    if (target.id === "tick-all") for (const box of document.querySelectorAll(`input[name="${target.dataset.ticks}"]`)) box.checked = target.checked;
    if (target.dataset.fills) fill(target);
    if (target.dataset.submits !== undefined) target.form.requestSubmit();
    counted();
  });
  addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.upload !== undefined) { event.preventDefault(); upload(form); return; }
    if (form.dataset.ask && !confirm(form.dataset.ask)) event.preventDefault();
  });
  // A slash goes to the search field, as in many tools.
  addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, textarea, select")) return;
    const field = document.querySelector("input[type=search]");
    if (field) { event.preventDefault(); field.focus(); field.select(); }
  });

  if (document.readyState === "loading") addEventListener("DOMContentLoaded", start); else start();
})();
