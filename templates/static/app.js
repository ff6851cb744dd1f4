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
    // What is to come is not nearer than it seems: an end in a day is 24 h away two seconds later.
    return seconds < 0 ? `in ${Math.round(-seconds / unit)} ${name}` : `${Math.floor(seconds / unit)} ${name} ago`;
  };
  const times = (within = document) => {
    for (const time of within.querySelectorAll("time[datetime]")) {
      const at = new Date(time.dateTime);
      const text = span(at);
      if (!time.title) time.title = at.toLocaleString();
      if (time.textContent !== text) time.textContent = text;
    }
  };

  // What a person has typed and not sent is theirs: nothing here throws it away. A form that came back refused counts as typed.
  let refused = false;
  const touched = (field) => field.type === "checkbox" || field.type === "radio" ? field.checked !== field.defaultChecked
    : field.options ? field.selectedIndex !== Math.max(0, [...field.options].findIndex((option) => option.defaultSelected))
    : field.value !== field.defaultValue;
  const dirty = (form) => refused || [...form.elements].some((field) => field.matches("input:not([type=hidden]), textarea, select") && touched(field));
  const guarded = (within) => [...within.querySelectorAll("form[data-guard]")].filter(dirty);

  // Which version a form was made from: what else changes around it is no reason to worry whoever types.
  const version = (part) => [...part.querySelectorAll("input[name=seen]")].map((field) => field.value).join();

  // A fragment that changed takes the place of the old one; what a person has in hand stays.
  const was = new WeakMap();
  let pressed = null, looking = null, passedOver = false;
  const typing = () => document.activeElement?.matches("input:not([type=checkbox], [type=radio]), textarea, select");
  const busy = (part) => part.contains(pressed) || part.contains(looking) || (part.contains(document.activeElement) && typing());
  const swap = (fresh) => {
    passedOver = false;
    for (const part of document.querySelectorAll("[data-live]")) {
      const next = fresh.getElementById(part.id);
      if (!next || next.innerHTML === was.get(part)) continue;
      const stale = document.getElementById(`${part.id}-stale`);
      if (guarded(part).length) { if (stale) stale.hidden = version(part) === version(next); continue; }
      if (busy(part)) { passedOver = true; continue; }
      if (stale) stale.hidden = true;
      const ticked = new Set([...part.querySelectorAll("input[type=checkbox]:checked")].filter((box) => box.closest("form[data-guard]") === null).map((box) => box.id));
      const picked = [...part.querySelectorAll("select[id]")].filter((box) => box.closest("form[data-guard]") === null && touched(box)).map((box) => [box.id, box.value]);
      const open = new Map([...part.querySelectorAll("details[id]")].map((box) => [box.id, box.open]));
      const scrolls = [...part.querySelectorAll("[id]")].filter((box) => box.scrollTop || box.scrollLeft).map((box) => [box.id, box.scrollTop, box.scrollLeft]);
      const ends = [...part.querySelectorAll("[data-tail]")].filter(atEnd).map((box) => box.id);
      const focus = part.contains(document.activeElement) ? document.activeElement : null;
      part.innerHTML = next.innerHTML;
      was.set(part, next.innerHTML);
      for (const id of ticked) { const box = document.getElementById(id); if (box) box.checked = true; }
      for (const [id, value] of picked) { const box = document.getElementById(id); if (box && [...box.options].some((option) => option.value === value)) box.value = value; }
      for (const [id, is] of open) { const box = document.getElementById(id); if (box) box.open = is; }
      for (const [id, top, left] of scrolls) { const box = document.getElementById(id); if (box) box.scrollTo(left, top); }
      for (const box of part.querySelectorAll("[data-tail]")) if (ends.includes(box.id) || !scrolls.some(([id]) => id === box.id)) box.scrollTop = box.scrollHeight;
      dress(part);
      if (focus) refocus(part, focus);
    }
    counted();
    titled();
  };

  // Whoever goes by keyboard stays where they were: at the same thing, or, if that is gone, in the part that it was in, or, if nothing
  // is left of that, in the page.
  const refocus = (part, lost) => {
    const same = lost.id ? `#${CSS.escape(lost.id)}` : lost.matches("details[id] > summary") ? `#${lost.parentElement.id} > summary`
      : `a[href="${CSS.escape(lost.getAttribute("href") ?? "")}"]`;
    const found = part.querySelector(same);
    if (!found) part.tabIndex = -1;
    for (const place of [found ?? part, document.getElementById("main")]) if (document.activeElement === document.body) place.focus({ preventScroll: true });
  };

  const atEnd = (box) => box.scrollHeight - box.scrollTop - box.clientHeight < 24;

  // How many devices wait stands in the title, for whoever looks at another tab.
  const title = document.title;
  const titled = () => {
    const count = document.querySelector("#nav-pending .count");
    document.title = count ? `(${count.firstChild.data}) ${title}` : title;
  };

  // One fetch at a time, and never more often than twice a second, whatever a busy site sends. A form that was refused stands at
  // the address it was sent to; the page it belongs to is told by the page itself.
  const page = () => document.getElementById("main").dataset.from || location.href;
  const say = (state, text) => { const light = document.getElementById("live"); if (light) { light.dataset.state = state; light.textContent = text; light.hidden = false; } };
  let fetching = null, asked = Date.now(), again = false, over = false;
  const refresh = async () => {
    if (over) return;
    if (fetching) { again = true; return; }
    const mine = fetching = new AbortController();
    asked = Date.now();
    try {
      const answer = await fetch(page(), { headers: { "X-Requested-With": "app.js" }, cache: "no-store", signal: mine.signal });
      const date = answer.headers.get("date");
      if (date && Math.abs(Date.parse(date) - Date.now()) > 2000) skew = Date.parse(date) - Date.now();
      if (answer.redirected && new URL(answer.url).pathname === "/sign-in") leave("signed-out", "Signed out");
      // What the page is about was deleted, or whoever looks may not see it any more.
      else if (answer.status === 404 || answer.status === 403) leave("gone", "Gone");
      else if (answer.ok) swapIn(new DOMParser().parseFromString(await answer.text(), "text/html"));
    } catch {
      // A daemon that is not there is tried often: it is about to be.
      if (fetching === mine) { wait = 1; lost(); }
    }
    setTimeout(() => {
      if (fetching !== mine) return;
      fetching = null;
      if (again) { again = false; refresh(); }
    }, 400);
  };
  const swapIn = (fresh) => { welcome(fresh); swap(fresh); };
  const welcome = (fresh) => {
    // Whoever signed in again has another session, whose forms carry another token.
    const token = fresh.querySelector("input[name=csrf]")?.value;
    if (token) for (const field of document.querySelectorAll("input[name=csrf]")) field.value = token;
    for (const id of ["signed-out", "gone"]) document.getElementById(id).hidden = true;
  };
  // What the address shows in the place of this page takes it, unless something typed would be lost.
  const leave = (note, text) => {
    if (!guarded(document).length) { over = true; hush(); location.replace(page().split("#")[0]); return; }
    document.getElementById(note).hidden = false;
    say("off", text);
  };

  // How long after a refusal it is tried again, in seconds: twice as long each time, for each costs the daemon a page.
  const LONGEST = 60;
  let wait = 1;
  let source = null, retry = 0;
  const hush = () => { clearTimeout(retry); source?.close(); };
  const lost = () => {
    say("off", "Connecting again");
    hush();
    if (over || document.hidden) return;
    retry = setTimeout(() => { refresh(); listen(); }, wait * 1000 * (1 + Math.random()));
    wait = Math.min(2 * wait, LONGEST);
  };
  const listen = () => {
    hush();
    if (over || document.hidden || !lives()) return;
    const only = document.body.dataset.device;
    source = new EventSource("/api/v1/events");
    // What happened between the page and the first word of the source, or while the line was down, is fetched.
    source.onopen = () => { wait = 1; say("on", "Live"); refresh(); };
    // The browser tries again by itself, but not after a refusal, which a session that is over or a busy daemon may be; the page
    // itself finds out which.
    source.onerror = lost;
    const heard = (message) => {
      let told;
      try { told = JSON.parse(message.data); } catch { told = {}; }
      // News of a device is the device itself; others name theirs.
      const device = message.type === "device" ? told.id : told.device;
      if (only && device != null && String(device) !== only) return;
      refresh();
    };
    for (const kind of ["event", "device", "boot", "kernel_log", "settings", "resync"]) source.addEventListener(kind, heard);
  };
  const lives = () => document.querySelector("[data-live]") !== null;
  // A page that nobody saw, or whose host slept, is behind, and its lines may be dead without saying so.
  const wake = () => {
    if (!lives()) return;
    const old = fetching;
    fetching = null;
    old?.abort();
    listen();
    refresh();
  };
  // A browser has six lines to a host for all its pages, and the daemon so many places for one account: only a page that is seen holds one.
  const rest = () => { hush(); say("off", "Connecting again"); };
  document.addEventListener("visibilitychange", () => document.hidden ? rest() : wake());
  addEventListener("pagehide", rest);
  // Back and forth in the history may bring the page as it was.
  addEventListener("pageshow", (event) => { if (event.persisted) wake(); });
  // Longer than a browser lets the timers of a page wait that nobody sees.
  const SLEPT = 120000;
  // Some things change by time alone, or are found by the daemon without an event: a machine that was silent for ten minutes boots no
  // more, a network card is gone. Half a minute is soon for these, and a page costs the daemon some milliseconds. The title of a page
  // behind others is kept true by this, too, if mostly once a minute: no browser lets its timers run more often.
  const AGAIN = 30000;
  // An answer that takes longer does not come: whoever waits for it would say that the page is live while it is not.
  const PATIENCE = 20000;
  let ticked = Date.now();
  const tick = () => {
    const now = Date.now();
    times();
    if (now - ticked > SLEPT) wake();
    else if (fetching && now - asked > PATIENCE) fetching.abort();
    else if (now - asked > AGAIN && lives()) refresh();
    ticked = now;
  };
  // A field that somebody was in, or a button that was pressed and not let go of, kept its part as it was.
  const released = () => { pressed = null; if (passedOver) refresh(); };
  // The menu of another button takes what comes after, so that nothing would tell that it was let go of.
  addEventListener("pointerdown", ({ target, button }) => { if (button === 0) pressed = target; });
  for (const kind of ["pointerup", "pointercancel"]) addEventListener(kind, released);
  addEventListener("focusout", () => { if (passedOver) refresh(); });

  // A field that only goes with a choice shows with it.
  const choose = (within = document) => {
    for (const part of within.querySelectorAll("[data-when]")) {
      const [name, values] = part.dataset.when.split("=");
      const form = part.closest("form");
      const field = form && form.elements[name];
      if (field) part.hidden = !values.split("|").includes(field.value);
    }
  };

  // A patch is tried while it is typed.
  const element = (tag, text, more = {}) => Object.assign(document.createElement(tag), { textContent: text }, more);
  const tone = (line) => ({ "+": "good", "-": "bad" })[line[0]];
  let typed = 0, tried = 0;
  const check = (form) => {
    clearTimeout(typed);
    typed = setTimeout(async () => {
      const shown = form.querySelector("[data-effect]");
      const value = (name) => form.elements[name].value;
      if (!value("text").trim()) { shown.hidden = true; return; }
      const sent = { scope: value("scope"), name: value("name").trim() || "unnamed", text: value("text") };
      if (sent.scope === "device") sent.device = value("device").trim();
      const mine = ++tried;
      let answer, told;
      try {
        answer = await fetch(form.dataset.check, { method: "POST", headers: headers(form, "application/json"), body: JSON.stringify(sent) });
        told = await answer.json();
      } catch { return; }
      if (mine !== tried) return;
      const badge = (word, kind) => { const badge = element("span", word, { className: "badge" }); badge.dataset.tone = kind; return badge; };
      const line = (word, kind, text) => { const p = element("p", ""); p.append(badge(word, kind), ` ${text}`); return p; };
      const parts = [];
      if (!answer.ok) parts.push(line("wrong", "bad", told.message));
      else {
        if (told.effects.every((effect) => !effect.diff)) parts.push(line("right", "good", "It is right, and changes nothing."));
        else parts.push(line("right", "good", "This is what it changes:"));
        for (const warning of told.warnings) parts.push(line("warning", "wait", warning));
        for (const effect of told.effects.filter((effect) => effect.diff)) {
          const pre = element("pre", "", { className: "code-view diff", tabIndex: 0, ariaLabel: `Difference in ${effect.on}` });
          for (const text of effect.diff.trimEnd().split("\n")) { const span = element("span", `${text}\n`); if (tone(text)) span.dataset.tone = tone(text); pre.append(span); }
          parts.push(element("h3", effect.on), pre);
        }
      }
      form.elements.text.setAttribute("aria-invalid", String(!answer.ok));
      shown.replaceChildren(...parts);
      shown.hidden = false;
    }, 350);
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
    if (target && input.files[0]) { target.value = await input.files[0].text(); target.dispatchEvent(new Event("input", { bubbles: true })); }
  };

  // An asset goes up as it is, with its progress shown.
  const upload = (form) => {
    const file = form.querySelector("input[type=file]").files[0];
    const bar = form.querySelector("progress");
    const said = form.querySelector("[role=status]");
    const tell = (text, kind) => { said.className = kind; said.textContent = text; };
    const wrong = (text) => { bar.hidden = true; tell(text, "wrong"); };
    if (!file) { wrong("Choose a file first."); return; }
    const send = new XMLHttpRequest();
    const refusal = () => { try { return JSON.parse(send.responseText).message; } catch { return `The server answered ${send.status}.`; } };
    send.upload.onprogress = (sent) => { bar.max = sent.total; bar.value = sent.loaded; tell(`${Math.floor(100 * sent.loaded / sent.total)} % of ${file.name}`, "small"); };
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
    refused = document.querySelector("main [role=alert]:not([hidden]), main [aria-invalid=true]") !== null;
    dress(document);
    counted();
    titled();
    setInterval(tick, 1000);
    listen();
    // What was refused is seen: a fold around it opens.
    const wrong = document.querySelector("[aria-invalid=true]");
    for (let box = wrong?.closest("details"); box; box = box.parentElement.closest("details")) box.open = true;
    wrong?.focus();
  };
  // What the script adds to a page, or to a part of it that came anew.
  const dress = (within) => {
    for (const part of within.querySelectorAll("[data-script]")) part.hidden = false;
    times(within);
    choose(within);
    if (within === document) for (const box of document.querySelectorAll("[data-tail]")) box.scrollTop = box.scrollHeight;
  };

  addEventListener("change", ({ target }) => {
    if (target.id === "tick-all") for (const box of document.querySelectorAll(`input[name="${target.dataset.ticks}"]`)) box.checked = target.checked;
    if (target.dataset.fills) fill(target);
    if (target.dataset.submits !== undefined) target.form.requestSubmit();
    choose();
    counted();
  });
  // Another row of the same kind: the last one of the page is blank as it came, and each field is called by the number of its row.
  addEventListener("click", ({ target }) => {
    const kind = target.dataset?.another;
    const last = kind && [...target.form.querySelectorAll(kind)].at(-1);
    if (!last) return;
    const number = Number(last.querySelector("[name]").name.match(/\d+/)[0]) + 1;
    last.insertAdjacentHTML("afterend", last.outerHTML.replace(/((?:id|name|for)="[a-z]+-)\d+/g, `$1${number}`));
    const fresh = last.nextElementSibling;
    fresh.querySelector("legend").textContent = `${target.dataset.title} ${number + 1}`;
    for (const field of fresh.querySelectorAll("input")) field.value = "";
    for (const field of fresh.querySelectorAll("select")) field.selectedIndex = 0;
    fresh.querySelector("input").focus();
  });
  addEventListener("input", ({ target }) => { if (target.form?.dataset.check) check(target.form); });
  // Whoever leaves with something typed and not sent is asked.
  let sending = false, looked = null;
  // What is sent without a session is lost, so it is first looked whether there is one. Where nobody answers, the browser says so.
  const sendInSession = async (form, submitter) => {
    looking = form;
    try {
      const answer = await fetch(page(), { headers: { "X-Requested-With": "app.js" }, cache: "no-store" });
      if (answer.redirected && new URL(answer.url).pathname === "/sign-in") { leave("signed-out", "Signed out"); document.getElementById("signed-out").scrollIntoView(); return; }
      // A patch that is gone can be added anew; of all else nothing would be left but what was typed.
      if ((answer.status === 404 || answer.status === 403) && form.dataset.check === undefined) { leave("gone", "Gone"); document.getElementById("gone").scrollIntoView(); return; }
      if (answer.ok) welcome(new DOMParser().parseFromString(await answer.text(), "text/html"));
    } catch { /* it is sent all the same */ } finally { looking = null; }
    looked = form;
    try { form.requestSubmit(submitter); } finally { looked = null; }
  };
  addEventListener("beforeunload", (event) => { if (!sending && guarded(document).length) event.preventDefault(); });
  addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.upload !== undefined) { event.preventDefault(); upload(form); return; }
    if (form.dataset.guard !== undefined && looked !== form) { event.preventDefault(); if (!looking && !sending) sendInSession(form, event.submitter); return; }
    if (form.dataset.ask && !confirm(form.dataset.ask)) { event.preventDefault(); return; }
    // A file that is taken out leaves the page as it is.
    sending = true;
    setTimeout(() => { sending = false; }, 3000);
  });
  // A slash goes to the search field, as in many tools.
  addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, textarea, select")) return;
    const field = document.querySelector("input[type=search]");
    if (field) { event.preventDefault(); field.focus(); field.select(); }
  });

  if (document.readyState === "loading") addEventListener("DOMContentLoaded", start); else start();
})();
